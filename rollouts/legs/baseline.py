"""What later versions are compared with must not be the version that was taken back."""

from __future__ import annotations

from rollouts.legs.base import Change, Plan, not_applicable, to_do


def plan(change: Change) -> Plan:
    eval_set = change.old.said("eval_set")
    if not eval_set:
        return not_applicable(f"{change.old.label} names no eval set, so no baseline was taken from it.")
    return to_do(
        f"Make sure the baseline of eval set {eval_set} is {change.new.label}'s again, not {change.old.label}'s."
    )
