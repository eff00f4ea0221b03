"""It was not over."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, TimelineEntry
from incidents.operations import timeline
from incidents.operations.refusals import given


@transaction.atomic
def reopen(incident: Incident, *, actor: Actor, reason: str, at: datetime | None = None) -> Incident:
    """Take back what was resolved and documented; what contained it still stands, its postmortem's text is kept."""
    require(actor, Permission.RESPOND)
    reason = given(reason, "Say why it is reopened.")
    incident = timeline.lock(incident)
    if incident.resolved_at is None and incident.documented_at is None and incident.document_skipped_at is None:
        raise OperationRefused(f"{incident.ref} is open.")
    incident.resolved_at = incident.documented_at = incident.document_skipped_at = None
    incident.document_skip_reason = ""
    incident.save(update_fields=["resolved_at", "documented_at", "document_skipped_at", "document_skip_reason"])
    timeline.append(
        incident,
        TimelineEntry.Kind.REOPENED,
        f"Reopened: {reason}",
        actor=actor,
        at=at,
        ping=("rail", "resolve", "document", "exits", "board"),
    )
    return incident
