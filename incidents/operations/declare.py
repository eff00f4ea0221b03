"""Saying that something is wrong, without waiting for a monitor."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import DetectionSource, Incident, Severity, TimelineEntry
from incidents.operations import opening, timeline
from incidents.operations.refusals import given, known
from rollouts.models import Deployment


@transaction.atomic
def declare(
    *,
    actor: Actor,
    title: str,
    severity: str = Severity.SEV3,
    deployment: Deployment | None = None,
    detection_source: str = DetectionSource.EMPLOYEE,
    started_at: datetime | None = None,
    note: str = "",
    at: datetime | None = None,
) -> Incident:
    """Open an incident by hand; ``started_at`` is when the harm began, as far as known."""
    require(actor, Permission.DECLARE)
    title = given(title, "Say what is wrong, in a title.")
    if len(title) > 300:
        raise OperationRefused("A title has at most 300 characters. Put the rest into a note.", status=422)
    known(severity, Severity.values, "severity")
    known(detection_source, DetectionSource.values, "detection source")
    at = at or clock.now()
    if started_at is not None and started_at > at:
        raise OperationRefused("The harm cannot have begun in the future. Check the start.", status=422)
    incident = opening.open_incident(
        actor=actor,
        title=title,
        severity=severity,
        deployment=deployment,
        detection_source=detection_source,
        kind=TimelineEntry.Kind.DECLARED,
        text=f"Declared {severity}: {title}",
        header={"reference": str(deployment)} if deployment is not None else None,
        started_at=started_at,
        at=at,
    )
    if note.strip():
        timeline.append(incident, TimelineEntry.Kind.NOTE, given(note, "Write the note."), actor=actor, at=at)
    return incident
