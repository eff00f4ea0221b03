"""Whether what later versions are compared with came from what was taken back."""

from __future__ import annotations

from datetime import datetime

from rollouts.models import EvalBaseline, RollbackLeg
from rollouts.operations.looks.base import Found, Look, taken


def look(leg: RollbackLeg, at: datetime) -> Look:
    """Done when every baseline of the bundle stands on another version; one that does not cannot grade (R068)."""
    rollback = leg.rollback
    found = list(
        EvalBaseline.objects.filter(bundle=rollback.deployment.bundle_id, ended_at=None).select_related("version")
    )
    bad = [row for row in found if row.version.number in taken(rollback)]
    source = "baselines adopted here"
    if bad:
        names = ", ".join(row.eval_set for row in bad)
        text = f"The baseline of {names} was adopted from {bad[0].version.label}: it grades nothing until re-anchored."
        return Look([Found("count", text, len(bad), {"eval_sets": [row.eval_set for row in bad]}, source)])
    if found:
        names = ", ".join(f"{row.eval_set} on {row.version.label}" for row in found)
        text = f"No baseline here was adopted from {rollback.from_version.label}: {names}."
        return Look([Found("count", text, 0, source=source)], nothing_to_do=True)
    text = "No baseline was ever adopted here, so where it stands elsewhere a person has to say."
    return Look([Found("count", text, None, source=source)])
