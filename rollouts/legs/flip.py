"""The pointer itself: done by the rollback's own transaction."""

from __future__ import annotations

from rollouts.legs.base import Change, Plan


def plan(change: Change) -> Plan:
    return Plan("done", f"The pointer moved from {change.old.label} to {change.new.label} when this was pressed.")
