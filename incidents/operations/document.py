"""The page an incident leaves behind. Only a person can call it written."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, Owed, Postmortem, TimelineEntry
from incidents.operations import exits, owed, timeline
from incidents.operations.refusals import given, person

PINGS = ("rail", "document", "exits", "board")


@transaction.atomic
def document(
    incident: Incident,
    *,
    actor: Actor,
    summary: str = "",
    root_cause: str = "",
    impact: str = "",
    resolution: str = "",
    prevention: str = "",
    at: datetime | None = None,
) -> Incident:
    """Write the postmortem and close the step. Its root cause settles the investigation a rollback owes."""
    user = person(actor, "close the postmortem")
    at = at or clock.now()
    incident = timeline.lock(incident)
    _still_to_do(incident)
    texts = {
        "summary": summary.strip(),
        "root_cause": root_cause.strip(),
        "impact": impact.strip(),
        "resolution": resolution.strip() or incident.resolution,
        "prevention": prevention.strip(),
    }
    exits.refuse(exits.missing_texts(texts), f"The postmortem of {incident.ref} is not complete")
    for text in filter(None, texts.values()):
        given(text, "Write it.")
    page, _ = Postmortem.objects.update_or_create(incident=incident, defaults={"updated_at": at, "updated_by": user})
    for name, text in texts.items():
        page.sections.update_or_create(name=name, defaults={"text": text, "updated_at": at, "updated_by": user})
    owed.settle(incident, Owed.Kind.INVESTIGATION, actor=actor, answer=texts["root_cause"], at=at)
    incident.documented_at = at
    incident.save(update_fields=["documented_at"])
    timeline.append(incident, TimelineEntry.Kind.DOCUMENTED, "Postmortem written", actor=actor, at=at, ping=PINGS)
    return incident


@transaction.atomic
def skip(incident: Incident, *, actor: Actor, reason: str, at: datetime | None = None) -> Incident:
    """Close without a postmortem, for a reason that stays visible; not while an investigation is owed."""
    person(actor, "close an incident without a postmortem")
    require(actor, Permission.COMMAND)
    reason = given(reason, "Say why there is no postmortem.")
    at = at or clock.now()
    incident = timeline.lock(incident)
    _still_to_do(incident)
    if incident.owed.filter(kind=Owed.Kind.INVESTIGATION, given_at=None).exists():
        raise OperationRefused("A rollback owes its investigation: write the root cause before closing.")
    incident.document_skipped_at, incident.document_skip_reason = at, reason
    incident.save(update_fields=["document_skipped_at", "document_skip_reason"])
    timeline.append(incident, TimelineEntry.Kind.SKIPPED, f"No postmortem: {reason}", actor=actor, at=at, ping=PINGS)
    return incident


def _still_to_do(incident: Incident) -> None:
    if incident.documented_at is not None:
        raise OperationRefused(f"The postmortem of {incident.ref} is written already. Reopen it to change it.")
    if incident.document_skipped_at is not None:
        raise OperationRefused(f"{incident.ref} has no postmortem: {incident.document_skip_reason}. Reopen it first.")
