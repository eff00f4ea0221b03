"""How bad it is: people say, machines may only raise."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted
from accounts.permissions import Permission, require
from incidents.models import Incident, Owed, Severity, TimelineEntry
from incidents.operations import owed, paging, timeline
from incidents.operations.refusals import given, known, still_open_record

#: A raise can be undone for this long before it wakes anybody.
UNDO_WINDOW = timedelta(seconds=10)


@transaction.atomic
def set_severity(
    incident: Incident, *, actor: Actor, severity: str, reason: str = "", at: datetime | None = None
) -> Incident:
    """Set SEV1 (worst) to SEV4. A person who sets the same again confirms it, which settles a severity owed."""
    require(actor, Permission.RESPOND)
    known(severity, Severity.values, "severity")
    at = at or clock.now()
    incident = timeline.lock(incident)
    still_open_record(incident)
    before = incident.severity
    if not actor.is_person and severity > before:
        raise NotPermitted(f"Only a person can lower a severity ({before} to {severity}). A machine may raise it.")
    settled = actor.is_person and owed.settle(incident, Owed.Kind.SEVERITY, actor=actor, answer=severity, at=at)
    if severity == before and not settled:
        return incident
    text = f"Severity {severity} confirmed" if severity == before else f"Severity {before} → {severity}"
    if reason.strip():
        text = f"{text}: {given(reason, 'Say why.')}"
    incident.severity = severity
    incident.save(update_fields=["severity"])
    timeline.append(
        incident,
        TimelineEntry.Kind.SEVERITY,
        text,
        actor=actor,
        at=at,
        data={"from": before, "to": severity},
        ping=("detect", "exits", "board"),
    )
    if severity < before:
        paging.page(incident, actor=actor, reason=f"raised to {severity}", at=at, after=UNDO_WINDOW)
    return incident


def worst(incident: Incident) -> str:
    """The worst it ever was. Lowering is a person's act, and its entry says from what."""
    lowered = incident.timeline.filter(kind=TimelineEntry.Kind.SEVERITY).values_list("data__from", flat=True)
    levels = [incident.severity, *(str(level) for level in lowered if level)]
    return min(levels)
