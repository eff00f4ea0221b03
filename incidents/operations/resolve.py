"""The harm is over and we know what fixed it. Only a person can say so."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Confidence, Incident, Step, TimelineEntry
from incidents.models.cause import surest_first
from incidents.operations import causes, exits, timeline
from incidents.operations.refusals import given, person, short


@transaction.atomic
def resolve(
    incident: Incident,
    *,
    actor: Actor,
    resolution: str,
    origin: str = "",
    confidence: str = "",
    no_case_reason: str = "",
    at: datetime | None = None,
) -> Incident:
    """Close the step with what fixed it; frees the alerts' keys for the next incident.

    ``origin`` names a cause that nobody has named yet, ``no_case_reason`` says why each cause that has no case gets
    none. Refused with every exit that is unmet, and then nothing of this is kept.
    """
    person(actor, "resolve an incident")
    require(actor, Permission.COMMAND, incident.deployment)
    resolution = given(resolution, "Say what fixed it.")
    at = at or clock.now()
    incident = timeline.lock(incident)
    if incident.resolved_at is not None:
        raise OperationRefused(f"{incident.ref} is resolved already.")
    if origin and not incident.causes.live().filter(origin=origin).exists():
        causes.add(incident, actor=actor, origin=origin, confidence=confidence or Confidence.KNOWN, at=at)
    if no_case_reason.strip():
        for cause in incident.causes.live().without_case():
            causes.no_case(cause, actor=actor, reason=no_case_reason, at=at)
    incident = timeline.lock(incident)
    exits.refuse_unmet(incident, Step.RESOLVE)
    incident.resolution = resolution
    incident.resolved_at = max(at, incident.opened_at)
    incident.save(update_fields=["resolution", "resolved_at"])
    incident.alerts.filter(closed_at=None).update(closed_at=at)
    named = surest_first(incident.causes.live())
    timeline.append(
        incident,
        TimelineEntry.Kind.RESOLVED,
        f"Resolved ({', '.join(cause.get_origin_display().lower() for cause in named)}): {short(resolution, 1000)}",
        actor=actor,
        at=at,
        data={"causes": [cause.pk for cause in named]},
        ping=("rail", "resolve", "document", "exits", "board"),
    )
    return incident
