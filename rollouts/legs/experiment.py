"""An experiment that counted the bad version's answers has counted something else than it meant to."""

from __future__ import annotations

from rollouts.legs.base import Change, Plan, not_applicable, to_do


def plan(change: Change) -> Plan:
    experiment = change.old.said("experiment")
    if not experiment:
        return not_applicable(f"{change.old.label} declares no experiment.")
    return to_do(f"Stop or restart experiment {experiment}, and leave out what it counted under {change.old.label}.")
