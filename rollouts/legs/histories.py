"""Conversations carry the bad version's words forward as context."""

from __future__ import annotations

from rollouts.legs.base import Change, Plan, not_applicable, to_do

_POLICIES = {
    "complete_old": "its in-flight policy lets them finish under the old version",
    "complete_new": "its in-flight policy finishes them under the new version",
    "cancel_retry": "its in-flight policy cancels them with a retry signal",
}


def plan(change: Change) -> Plan:
    if change.behaves_alike:
        return not_applicable(
            "Both versions behave alike, so histories hold nothing that the other would not have said."
        )
    policy = _POLICIES.get(change.old.said("in_flight_policy"), "it declared no in-flight policy")
    return to_do(
        f"Conversations begun under {change.old.label} still carry its answers as context ({policy}): "
        "restart, trim or mark them."
    )
