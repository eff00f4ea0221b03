"""Which stretch of telemetry an incident is about."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents.models import Incident
from rollouts.models import Deployment
from rollouts.telemetry.facts import Window

BEFORE = timedelta(minutes=30)  # of what is shown before the harm is known to have begun
LONGEST = timedelta(hours=6)


def window_of(incident: Incident, deployment: Deployment, at: datetime) -> Window:
    """From half an hour before the harm to the moment it was contained, at most six hours."""
    began = min(incident.started_at or incident.opened_at, incident.opened_at)
    minute = at.replace(second=0, microsecond=0) + timedelta(minutes=1)  # so that looking again shows the same window
    over = incident.contained_at or incident.recovered_at or incident.resolved_at
    ended = min(over or minute, minute, began + LONGEST)
    since = began - BEFORE
    return Window(deployment.bundle.key, deployment.environment_id, since, max(ended, since + timedelta(minutes=1)))
