"""Which of the nine variables moved, as far as two versions of a bundle and the telemetry can tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from incidents.models import Incident, MovedVariable
from incidents.operations.postmortems.record import Moves
from incidents.operations.postmortems.sentences import diff_path
from rollouts.diff import BundleDiff
from rollouts.schema_diff import FieldChange
from rollouts.telemetry import questions
from rollouts.telemetry.facts import ChangeKind

Row = dict[str, Any]
#: variable → the part of a bundle that holds it.
PARTS = {
    MovedVariable.Variable.PROMPT: "prompt",
    MovedVariable.Variable.MODEL: "model",
    MovedVariable.Variable.PARAMETERS: "model",
    MovedVariable.Variable.ROUTE: "model",
    MovedVariable.Variable.TOOLS: "tools",
    MovedVariable.Variable.RETRIEVAL: "retrieval",
    MovedVariable.Variable.HARNESS: "harness",
}
LONGEST = 2_000


def drafted(incident: Incident, moves: Moves, moved: BundleDiff | None) -> list[Row]:
    """All nine: moved with before, after and evidence; not moved where the digests are equal; else unknown."""
    rows = {variable: _row(variable, moves, moved) for variable in MovedVariable.Variable}
    served = _served(incident)
    if served and rows[MovedVariable.Variable.MODEL]["moved"] != MovedVariable.Moved.MOVED:
        rows[MovedVariable.Variable.MODEL] |= served
    return list(rows.values())


def _row(variable: MovedVariable.Variable, moves: Moves, moved: BundleDiff | None) -> Row:
    unknown = {"variable": variable, "moved": MovedVariable.Moved.UNKNOWN, "before": "", "after": "", "evidence": ""}
    part = PARTS.get(variable)
    if part is None or moved is None or moves.good is None or moves.bad is None:
        return unknown
    before, after = moves.good.part_digests.get(part), moves.bad.part_digests.get(part)
    if before is None and after is None:
        return unknown
    evidence = f"[{moves.good.label} → {moves.bad.label}]({diff_path(moves.good, moves.bad)})"
    old, new = _sides(variable, moved)
    if before == after or not (old or new):
        digest = f", {part} digest `{(after or '')[:12]}`" if before == after else ""
        return unknown | {"moved": MovedVariable.Moved.NOT_MOVED, "evidence": f"Equal in {evidence}{digest}"}
    return unknown | {
        "moved": MovedVariable.Moved.MOVED,
        "before": _shortened(old),
        "after": _shortened(new),
        "evidence": f"Differs in {evidence}",
    }


def _sides(variable: MovedVariable.Variable, moved: BundleDiff) -> tuple[str, str]:
    """What stood before and what stands now, a line per change; both empty when this variable did not move."""
    if variable == MovedVariable.Variable.PROMPT:
        words = (f"{moved.words_removed} words taken out", f"{moved.words_added} words put in")
        rows = f"{len(moved.few_shots)} few-shots changed" if moved.few_shots else ""
        if not moved.prompt_moved:
            return ("as it was", rows) if rows else ("", "")
        return words[0], "; ".join(filter(None, [words[1], rows]))
    if variable == MovedVariable.Variable.TOOLS:
        return _lines(_tools(moved))
    changes: Iterable[FieldChange]
    if variable == MovedVariable.Variable.RETRIEVAL:
        changes = moved.retrieval
    elif variable == MovedVariable.Variable.HARNESS:
        changes = moved.harness
    else:
        changes = [change for change in moved.model if _of_model(change.path) == variable]
    return _lines((change.path, change.before, change.after) for change in changes)


def _of_model(path: str) -> MovedVariable.Variable:
    own = {"parameters": MovedVariable.Variable.PARAMETERS, "route": MovedVariable.Variable.ROUTE}
    return own.get(path.partition(".")[0], MovedVariable.Variable.MODEL)


def _tools(moved: BundleDiff) -> Iterator[tuple[str, Any, Any]]:
    for tool in moved.tools:
        if tool.kind == "added":
            yield tool.name, None, "added"
        elif tool.kind == "removed":
            yield tool.name, "was there", None
        for field in tool.fields:
            yield f"{tool.name} {field.path} {field.facet}".strip(), field.before, field.after


def _lines(changes: Iterable[tuple[str, Any, Any]]) -> tuple[str, str]:
    found = list(changes)
    return tuple(  # type: ignore[return-value]  # two sides, two texts
        "\n".join(f"- `{path}`: {_value(sides[index])}" for path, *sides in found) for index in (0, 1)
    )


def _value(value: Any) -> str:
    if value is None:
        return "not there"
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return f"`{said.replace('`', chr(39))[:300]}`"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _served(incident: Incident) -> Row:
    """A model that began to answer under the same name, as telemetry saw it; empty when none did."""
    if incident.deployment is None:
        return {}
    before = incident.started_at or incident.opened_at
    seen = questions.changes_before(
        incident.deployment.bundle.key, incident.deployment.environment_id, before, limit=100
    )
    change = next((each for each in seen if each.kind == ChangeKind.MODEL), None)
    if change is None:
        return {}
    evidence = f"Telemetry, {change.at:%H:%M:%S} UTC on {change.at:%d %B %Y}: {change.sentence}"
    return {
        "moved": MovedVariable.Moved.MOVED,
        "before": change.from_label,
        "after": change.to_label,
        "evidence": evidence,
    }
