"""The harm is over and we know what fixed it. Only a person can say so."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Incident, Origin, Step, TimelineEntry
from incidents.operations import exits, timeline
from incidents.operations.refusals import given, known, person, short


@transaction.atomic
def resolve(incident: Incident, *, actor: Actor, origin: str, resolution: str, at: datetime | None = None) -> Incident:
    """Close the step with where it came from and what fixed it; frees the alerts' keys for the next incident."""
    person(actor, "resolve an incident")
    require(actor, Permission.COMMAND)
    known(origin, Origin.values, "origin")
    resolution = given(resolution, "Say what fixed it.")
    at = at or clock.now()
    incident = timeline.lock(incident)
    if incident.resolved_at is not None:
        raise OperationRefused(f"{incident.ref} is resolved already.")
    exits.refuse_unmet(incident, Step.RESOLVE)
    incident.origin, incident.resolution = origin, resolution
    incident.resolved_at = max(at, incident.opened_at)
    incident.save(update_fields=["origin", "resolution", "resolved_at"])
    incident.alerts.filter(closed_at=None).update(closed_at=at)
    timeline.append(
        incident,
        TimelineEntry.Kind.RESOLVED,
        f"Resolved ({incident.get_origin_display().lower()}): {short(resolution, 1000)}",
        actor=actor,
        at=at,
        data={"origin": origin},
        ping=("rail", "resolve", "document", "exits", "board"),
    )
    return incident
