"""Which agent? Answered by people when the alert did not say."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, Owed, TimelineEntry
from incidents.operations import owed, timeline
from incidents.operations.refusals import still_open_record
from rollouts.models import Deployment


@transaction.atomic
def choose(incident: Incident, *, actor: Actor, deployment: Deployment, at: datetime | None = None) -> Incident:
    """Say which deployment this incident is about; alerts that knew none follow."""
    require(actor, Permission.RESPOND)
    at = at or clock.now()
    incident = timeline.lock(incident)
    still_open_record(incident)
    before = incident.deployment
    if before == deployment:
        raise OperationRefused(f"{incident.ref} is about {deployment} already.")
    if before is not None and incident.machine_moves.exists():
        raise OperationRefused(f"{incident.ref} has acted on {before}. Declare another incident for {deployment}.")
    incident.deployment = deployment
    incident.save(update_fields=["deployment"])
    incident.alerts.filter(deployment=before).update(deployment=deployment)
    owed.settle(incident, Owed.Kind.DEPLOYMENT, actor=actor, answer=str(deployment), at=at)
    timeline.append(
        incident,
        TimelineEntry.Kind.DEPLOYMENT,
        f"This is about {deployment}" if before is None else f"This is about {deployment}, not {before}",
        actor=actor,
        at=at,
        data={"from": str(before) if before else None, "to": str(deployment)},
        ping=("rail", "detect", "triage", "contain", "exits", "board"),
    )
    return incident
