"""The same failure, shipped again: a person says which earlier incident this one is, however long ago (R160)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, TimelineEntry
from incidents.operations import timeline
from incidents.operations.refusals import short, still_open_record

PINGS = ("document", "postmortem")


@transaction.atomic
def say_same(incident: Incident, *, actor: Actor, earlier: Incident | None, at: datetime | None = None) -> Incident:
    """Say that ``incident`` is ``earlier`` come back; None: that it is none that is known."""
    require(actor, Permission.RESPOND)
    incident = timeline.lock(incident)
    still_open_record(incident)
    before = incident.repeat_of
    if earlier == before:
        return incident
    if earlier is not None and (earlier.opened_at, earlier.pk) >= (incident.opened_at, incident.pk):
        raise OperationRefused(
            f"{earlier} is not earlier than {incident}. Name one that was opened before.", status=422
        )
    incident.repeat_of = earlier
    incident.save(update_fields=["repeat_of"])
    text = f"The same as {earlier}: {short(earlier.title)}" if earlier else f"Not the same as {before} after all"
    timeline.append(incident, TimelineEntry.Kind.NOTE, text, actor=actor, at=at, ping=PINGS)
    return incident
