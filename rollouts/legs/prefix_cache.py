"""Provider prompt caches hold what stands at the front of a request: instructions and tool definitions."""

from __future__ import annotations

from rollouts.legs.base import Change, Plan, listed, not_applicable, to_do


def plan(change: Change) -> Plan:
    moved = change.moved("prompt", "tools", "model")
    if not moved:
        return not_applicable("Prompt, tools and model are the same in both versions, so cached prefixes stay valid.")
    return to_do(
        f"{listed(moved).capitalize()} moved: let prefixes cached under {change.old.label} run out or drop them, "
        f"and expect a cold cache and slower first answers under {change.new.label}."
    )
