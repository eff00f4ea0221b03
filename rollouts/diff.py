"""What moved between two bundle bodies, by meaning: words of the prompt, fields of the schemas. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rollouts.schema_diff import FieldChange, compare_schemas
from rollouts.text_diff import Span, compare_texts, count_words, matched

#: Parts compared field by field.
FIELD_PARTS = ("model", "retrieval", "harness")


@dataclass(frozen=True, slots=True)
class RowChange:
    """One few-shot row; ``index`` counts from 0, in the older body for a removed row, else in the newer one."""

    kind: str  # added, removed, changed
    index: int
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class ToolChange:
    """One tool: added, removed, or changed in ``fields`` (paths begin at the tool, such as input_schema.order_id)."""

    kind: str
    name: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleDiff:
    """Everything that moved from one body to another; ``metadata`` moves no behaviour and stands apart."""

    behaviour_unchanged: bool
    prompt: tuple[Span, ...]
    few_shots: tuple[RowChange, ...]
    model: tuple[FieldChange, ...]
    retrieval: tuple[FieldChange, ...]
    harness: tuple[FieldChange, ...]
    tools: tuple[ToolChange, ...]
    metadata: tuple[FieldChange, ...]

    @property
    def words_added(self) -> int:
        return count_words(self.prompt, "added")

    @property
    def words_removed(self) -> int:
        return count_words(self.prompt, "removed")

    @property
    def prompt_moved(self) -> bool:
        return any(span.kind != "same" for span in self.prompt)

    @property
    def parts(self) -> list[str]:
        """The parts that moved, in reading order."""
        moved = {
            "prompt": self.prompt_moved or bool(self.few_shots),
            "model": bool(self.model),
            "tools": bool(self.tools),
            "retrieval": bool(self.retrieval),
            "harness": bool(self.harness),
        }
        return [name for name, has in moved.items() if has]

    @property
    def summary(self) -> str:
        """One line: what moved, in how many places."""
        if self.behaviour_unchanged:
            return "Behaviour unchanged; only metadata differs." if self.metadata else "Behaviour unchanged."
        counts = []
        if self.prompt_moved:
            counts.append(f"prompt +{self.words_added} −{self.words_removed} words")
        for name, items in (("few-shots", self.few_shots), ("model", self.model), ("tools", self.tools)):
            if items:
                counts.append(f"{name} {len(items)}")
        counts += [f"{name} {len(getattr(self, name))}" for name in ("retrieval", "harness") if getattr(self, name)]
        return ", ".join(counts) or "The order or spelling of fields differs, nothing else."

    def as_json(self) -> dict[str, Any]:
        return {"summary": self.summary, "parts": self.parts, **asdict(self)}


def compare(old: Mapping[str, Any], new: Mapping[str, Any], *, behaviour_unchanged: bool) -> BundleDiff:
    """From ``old`` to ``new``; whether behaviour moved at all is told by the versions' behaviour digests."""
    before, after = old.get("prompt") or {}, new.get("prompt") or {}
    fields = {name: tuple(compare_fields(old.get(name), new.get(name))) for name in (*FIELD_PARTS, "metadata")}
    return BundleDiff(
        behaviour_unchanged=behaviour_unchanged,
        prompt=tuple(compare_texts(before.get("text") or "", after.get("text") or "")),
        few_shots=tuple(_compare_rows(before.get("few_shots") or [], after.get("few_shots") or [])),
        tools=tuple(_compare_tools(old.get("tools") or [], new.get("tools") or [])),
        **fields,
    )


def compare_fields(old: Any, new: Any, path: str = "") -> Iterator[FieldChange]:
    """Objects member by member, as dotted paths; lists and plain values as wholes."""
    if isinstance(old, Mapping | None) and isinstance(new, Mapping | None):
        before, after = old or {}, new or {}
        for name in sorted(before.keys() | after.keys()):
            below = f"{path}.{name}" if path else name
            if name not in before:
                yield FieldChange("added", below, after=after[name])
            elif name not in after:
                yield FieldChange("removed", below, before=before[name])
            else:
                yield from compare_fields(before[name], after[name], below)
    elif not same(old, new):
        yield FieldChange("changed", path, before=old, after=new)


def same(old: Any, new: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _compare_rows(old: Sequence[Any], new: Sequence[Any]) -> Iterator[RowChange]:
    """Few-shots row by row: rows that stand in for each other are changed, the rest added or removed."""
    for tag, i1, i2, j1, j2 in matched([repr(row) for row in old], [repr(row) for row in new]):
        if tag == "equal":
            continue
        pairs = min(i2 - i1, j2 - j1)
        for offset in range(pairs):
            yield RowChange("changed", j1 + offset, before=old[i1 + offset], after=new[j1 + offset])
        for index in range(i1 + pairs, i2):
            yield RowChange("removed", index, before=old[index])
        for index in range(j1 + pairs, j2):
            yield RowChange("added", index, after=new[index])


def _compare_tools(old: Sequence[Any], new: Sequence[Any]) -> Iterator[ToolChange]:
    before, after = {tool["name"]: tool for tool in old}, {tool["name"]: tool for tool in new}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield ToolChange("removed", name)
        elif name not in before:
            yield ToolChange("added", name)
        elif fields := tuple(_compare_tool(before[name], after[name])):
            yield ToolChange("changed", name, fields)


def _compare_tool(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FieldChange]:
    plain = ("description", "deterministic", "examples")
    yield from compare_fields({name: old.get(name) for name in plain}, {name: new.get(name) for name in plain})
    for name in ("input_schema", "output_schema"):
        if name in old and name in new:
            yield from compare_schemas(old[name], new[name], name)
        else:
            yield from compare_fields(
                {n: old[n] for n in (name,) if n in old}, {n: new[n] for n in (name,) if n in new}
            )
