"""How many answers of the bad version semantic caches may hold."""

from __future__ import annotations

from datetime import datetime

from rollouts.models import RollbackLeg
from rollouts.operations.looks.base import Found, Look, live_since, runs_of, taken


def look(leg: RollbackLeg, at: datetime) -> Look:
    """Answered runs since it went live: no more than so many can have been cached. No telemetry shows nothing."""
    since = live_since(leg.rollback)
    answered, _ = runs_of(leg, taken(leg.rollback), since, at)
    label = leg.rollback.from_version.label
    text = (
        f"{label} answered {answered} runs since {since:%d %b %H:%M} UTC: at most so many answers were cached."
        if answered
        else f"No stored run of {label} since {since:%d %b %H:%M} UTC: how many answers were cached is not known."
    )
    return Look([Found("count", text, answered or None, source="stored telemetry, runs of the version")])
