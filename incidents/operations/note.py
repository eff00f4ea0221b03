"""What people and machines saw, in words; a correction is a new entry beside the old one."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, TimelineEntry
from incidents.operations import timeline
from incidents.operations.refusals import given, still_open_record


@transaction.atomic
def add(incident: Incident, *, actor: Actor, text: str, at: datetime | None = None) -> TimelineEntry:
    """Note something on the timeline."""
    require(actor, Permission.DECLARE)
    text = given(text, "Write the note.")
    incident = timeline.lock(incident)
    still_open_record(incident)
    return timeline.append(incident, TimelineEntry.Kind.NOTE, text, actor=actor, at=at)


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
