"""What an experiment counted under the bad version, and what before and since."""

from __future__ import annotations

from datetime import datetime

from rollouts.models import RollbackLeg
from rollouts.operations.looks.base import Found, Look, live_since, runs_of, taken


def look(leg: RollbackLeg, at: datetime) -> Look:
    """The contamination window and the runs of the arm before, in and after it (R069)."""
    rollback = leg.rollback
    since, until = live_since(rollback), rollback.flipped_at
    length = until - since
    tainted, failed = runs_of(leg, taken(rollback), since, at)
    good = [rollback.to_version.number]
    before, before_failed = runs_of(leg, good, since - length, since)
    after, after_failed = runs_of(leg, good, until, at)
    data = {
        "contaminated_from": since.isoformat(),
        "contaminated_until": until.isoformat(),
        "before": {"runs": before, "failed": before_failed},
        "contaminated": {"runs": tainted, "failed": failed},
        "after": {"runs": after, "failed": after_failed},
    }
    text = (
        f"Contaminated from {since:%d %b %H:%M} to {until:%d %b %H:%M} UTC: {tainted} runs of "
        f"{rollback.from_version.label} ({failed} failed). {before} runs before, {after} since."
    )
    return Look([Found("count", text, tainted, data, "stored telemetry, runs by version")])
