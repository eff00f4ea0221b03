"""Consumers may have moved to the bad version's shape of output."""

from __future__ import annotations

from typing import Any

from rollouts.legs.base import Change, Plan, Side, listed, not_applicable, to_do


def plan(change: Change) -> Plan:
    old, new = _schemas(change.old), _schemas(change.new)
    tools = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    contract = change.old.said("output_contract") != change.new.said("output_contract")
    if not tools and not contract:
        return not_applicable("Tool schemas and output contract are the same in both versions.")
    moved = [f"the schema of {name}" for name in tools[:5]]
    if len(tools) > 5:
        moved.append(f"{len(tools) - 5} further tool schemas")
    if contract:
        moved.append("the output contract")
    sentence = listed(moved)
    return to_do(
        f"{sentence[0].upper()}{sentence[1:]} moved back: tell the consumers who had adapted to {change.old.label}."
    )


def _schemas(side: Side) -> dict[str, Any]:
    """Each tool's schemas by its name; descriptions are no contract."""
    return {
        tool["name"]: (tool.get("input_schema"), tool.get("output_schema")) for tool in side.body.get("tools") or []
    }
