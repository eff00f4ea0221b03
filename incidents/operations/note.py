"""What people and machines saw, in words; a correction is a new entry beside the old one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor, ActorKind
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, TimelineEntry
from incidents.operations import timeline
from incidents.operations.refusals import given, still_open_record


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody's words elsewhere. ``source`` names them once per incident, ``permalink`` is where they stand."""

    author: str
    text: str
    at: datetime
    source: str
    permalink: str
    by_machine: bool = False


@transaction.atomic
def add(incident: Incident, *, actor: Actor, text: str, at: datetime | None = None) -> TimelineEntry:
    """Note something on the timeline."""
    require(actor, Permission.DECLARE)
    text = given(text, "Write the note.")
    incident = timeline.lock(incident)
    still_open_record(incident)
    return timeline.append(incident, TimelineEntry.Kind.NOTE, text, actor=actor, at=at)


@transaction.atomic
def pin(
    incident: Incident, *, actor: Actor, message: Message, at: datetime | None = None
) -> tuple[TimelineEntry, bool]:
    """Put somebody's message on the timeline, once; True when this did it.

    A message that a bot or agent wrote is its entry, never a person's, whoever pinned it (R176).
    """
    require(actor, Permission.DECLARE)
    text = given(message.text, "That message has no words to put on the timeline.")
    incident = timeline.lock(incident)
    pinned = incident.timeline.filter(source=message.source).first()
    if pinned is not None:
        return pinned, False
    still_open_record(incident)
    said_by = actor
    if message.by_machine:
        said_by = Actor(ActorKind.AGENT, message.author, actor.surface, user=actor.user)
    pinner = f" (pinned by {actor.label})" if message.author != actor.label else ""
    entry = timeline.append(
        incident,
        TimelineEntry.Kind.NOTE,
        f"{message.author}: {text}{pinner}",
        actor=said_by,
        at=min(message.at, at or clock.now()),
        data={"permalink": message.permalink, "author": message.author, "pinned_by": actor.label},
        source=message.source,
    )
    return entry, True


@transaction.atomic
def correct(entry: TimelineEntry, *, actor: Actor, text: str, at: datetime | None = None) -> TimelineEntry:
    """Say what ``entry`` should have said; the entry itself stays as it was."""
    require(actor, Permission.RESPOND)
    text = given(text, "Write what it should say.")
    incident = timeline.lock(entry.incident)
    still_open_record(incident)
    original = entry.corrects or entry
    latest = original.corrections.order_by("-sequence").first() or original
    if text == latest.text:
        raise OperationRefused("That is what the entry says already.")
    return timeline.append(incident, TimelineEntry.Kind.CORRECTION, text, actor=actor, at=at, corrects=original)
