"""Which shapes moved back under consumers' feet, and who had moved with them."""

# ruff: noqa: S608 (what is put into the statement is of this package)
from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rollouts.models import BundleVersion, RollbackLeg
from rollouts.operations.looks.base import WITHIN, Found, Look, live_since, rows, taken, within
from rollouts.schema_diff import FieldChange, compare_schemas

#: The newest spans that are looked at, and the most consumers and fields that are named.
SPANS, NAMED = 20_000, 50
CONSUMERS = f"""
    SELECT attributes->>'service.name', count(*), count(*) FILTER (WHERE failed), max(at) FROM (
        SELECT operation, attributes, failed, at FROM rollouts_invocation
        WHERE {WITHIN} AND version_number = ANY(%(numbers)s) ORDER BY at DESC LIMIT {SPANS}
    ) AS span WHERE attributes->>'service.name' <> ''
    GROUP BY 1 HAVING bool_and(operation = '') ORDER BY 2 DESC, 1 LIMIT {NAMED}"""


def look(leg: RollbackLeg, at: datetime) -> Look:
    """Compatibility computed from the schemas, and the consumers that were answered in the new shape (R070)."""
    rollback = leg.rollback
    bodies = dict(
        BundleVersion.objects.filter(pk__in=[rollback.from_version_id, rollback.to_version_id]).values_list(
            "pk", "body"
        )
    )
    breaking = list(broken(bodies[rollback.from_version_id], bodies[rollback.to_version_id]))
    fields = [f"{change.path} {change.kind}" for change in breaking[:NAMED]]
    values = within(leg, live_since(rollback), at, numbers=taken(rollback))
    moved = [
        {"consumer": name, "calls": calls, "failed": failed, "last_at": last.isoformat()}
        for name, calls, failed, last in rows(CONSUMERS, values)
    ]
    label = rollback.from_version.label
    shape = (
        f"{len(breaking)} fields that {label} gave or took are gone again: {', '.join(fields[:3])}."
        if breaking
        else f"Whoever read {label}'s shape can read the shape that is back: no field they may rely on is gone."
    )
    who = (
        f"{len(moved)} consumers were answered in {label}'s shape: {', '.join(each['consumer'] for each in moved[:3])}."
        if moved
        else f"No stored span names a consumer that {label} answered."
    )
    return Look(
        [
            Found("count", shape, len(breaking), {"breaking": fields}, "tool schemas of both versions"),
            Found("count", who, len(moved) or None, {"consumers": moved}, "stored telemetry, service.name of callers"),
        ]
    )


def broken(bad: dict[str, Any], good: dict[str, Any]) -> Iterator[FieldChange]:
    """What breaks a consumer that had adapted to ``bad`` when ``good`` answers again.

    Of an output: a field that is gone, renamed, another type, or no longer promised. Of an input: a field that is no
    longer taken where none may be added, or one that is required again.
    """
    old, new = _tools(bad), _tools(good)
    for name in sorted(old.keys() & new.keys()):
        for change in compare_schemas(old[name].get("output_schema") or {}, new[name].get("output_schema") or {}, name):
            gone = change.kind in {"removed", "renamed"} or (change.kind == "required" and not change.after)
            if gone or (change.kind == "changed" and change.facet in {"type", "", "enum", "const", "format"}):
                yield change
        for change in compare_schemas(old[name].get("input_schema") or {}, new[name].get("input_schema") or {}, name):
            closed = (new[name].get("input_schema") or {}).get("additionalProperties") is False
            needed = (change.kind == "required" and change.after) or (
                change.kind == "added" and change.facet == "required"
            )
            unknown = closed and change.kind in {"removed", "renamed"}
            if needed or unknown or (change.kind == "changed" and change.facet in {"type", "enum", "const"}):
                yield change
    for name in sorted(old.keys() - new.keys()):
        yield FieldChange("removed", name)


def _tools(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {tool["name"]: tool for tool in body.get("tools") or [] if isinstance(tool, dict) and "name" in tool}
