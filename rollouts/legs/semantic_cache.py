"""Answers kept by meaning outlive the version that gave them."""

from __future__ import annotations

from rollouts.legs.base import Change, Plan, not_applicable, to_do


def plan(change: Change) -> Plan:
    if change.behaves_alike:
        return not_applicable("Both versions behave alike, so answers cached under either are the same.")
    return to_do(
        f"Drop the answers that {change.old.label} put into semantic caches; until then they are still served."
    )
