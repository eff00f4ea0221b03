"""Two JSON Schemas, field by field. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

#: Keywords whose values are schemas by name, a list of schemas, or one schema: walked, not compared as values.
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")
_WALKED = frozenset({*_NAMED, *_LISTED, *_SINGLE, "required"})
#: How alike two names must be (difflib ratio) to be guessed one field renamed, when its schema stayed the same.
_ALIKE = 0.7
#: The same for names alone, without a schema to compare: ``customer_id`` and ``customers_id``, not ``item_id``.
_NEAR = 0.85


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: added, removed, changed, renamed (a guess; before and after are names) or required moved.

    ``path`` is dotted; ``facet`` is the keyword that changed, such as type or enum, empty when the whole did.
    """

    kind: str
    path: str
    before: Any = None
    after: Any = None
    facet: str = ""


def compare_schemas(old: Any, new: Any, path: str) -> Iterator[FieldChange]:
    """Every field that moved, from the outside in."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if old != new or isinstance(old, bool) != isinstance(new, bool):
            yield FieldChange("changed", path, before=old, after=new)
        return
    for keyword in sorted((old.keys() | new.keys()) - _WALKED):
        if old.get(keyword) != new.get(keyword):
            yield FieldChange("changed", path, before=old.get(keyword), after=new.get(keyword), facet=keyword)
    for keyword in _NAMED:
        if keyword in old or keyword in new or keyword == "properties":
            yield from _compare_named(old, new, keyword, path)
    for keyword in _LISTED:
        yield from _compare_listed(old.get(keyword) or [], new.get(keyword) or [], f"{path}.{keyword}")
    for keyword in _SINGLE:
        below = f"{path}[]" if keyword == "items" else f"{path}.{keyword}"
        if keyword in old and keyword in new:
            yield from compare_schemas(old[keyword], new[keyword], below)
        elif keyword in new:
            yield FieldChange("added", below, after=new[keyword])
        elif keyword in old:
            yield FieldChange("removed", below, before=old[keyword])


def _compare_named(old: Mapping[str, Any], new: Mapping[str, Any], keyword: str, path: str) -> Iterator[FieldChange]:
    before, after = _mapping(old.get(keyword)), _mapping(new.get(keyword))
    # Fields read as path.name; what other keywords hold names its keyword too.
    prefix = path if keyword == "properties" else f"{path}.{keyword}"
    was_required, is_required = _required(old), _required(new)
    renamed = dict(_renames(before, after))
    for name in sorted(before.keys() | after.keys()):
        below = f"{prefix}.{name}"
        if name in renamed.values():
            continue  # told of under its former name
        if name not in before:
            required = keyword == "properties" and name in is_required
            yield FieldChange("added", below, after=after[name], facet="required" if required else "")
            continue
        now = renamed.get(name, name)
        if now not in after:
            yield FieldChange("removed", below, before=before[name])
            continue
        if now != name:
            yield FieldChange("renamed", below, before=name, after=now)
        if keyword == "properties" and (name in was_required) != (now in is_required):
            yield FieldChange("required", below, before=name in was_required, after=now in is_required)
        yield from compare_schemas(before[name], after[now], f"{prefix}.{now}")
    if keyword == "properties":
        yield from _required_elsewhere(was_required - before.keys(), is_required - after.keys(), path)


def _required_elsewhere(was: set[str], now: set[str], path: str) -> Iterator[FieldChange]:
    """Names required without being described: they have no field of their own to be told at."""
    for name in sorted(was ^ now):
        yield FieldChange("required", f"{path}.{name}", before=name in was, after=name in now)


def _renames(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Guesses which removed field is which added one: same letters (account_id, accountId), or alike, same schema."""
    gone = [name for name in before if name not in after]
    come = [name for name in after if name not in before]
    for name in gone:
        twin = next((other for other in come if letters(other) == letters(name)), None)
        twin = twin or max(
            (other for other in come if after[other] == before[name] and _likeness(name, other) >= _ALIKE),
            key=lambda other: _likeness(name, other),
            default=None,
        )
        if twin is not None:
            come.remove(twin)
            yield name, twin


def twin_of(name: str, others: Iterable[str]) -> str | None:
    """The one of ``others`` that ``name`` was probably renamed from or to; None when none is alike."""
    rest = list(others)
    if same := next((other for other in rest if other != name and letters(other) == letters(name)), None):
        return same
    near = max(rest, key=lambda other: _likeness(name, other), default=None)
    return near if near is not None and near != name and _likeness(name, near) >= _NEAR else None


def letters(name: str) -> str:
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, letters(one), letters(other)).ratio()


def _compare_listed(old: list[Any], new: list[Any], path: str) -> Iterator[FieldChange]:
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        yield from compare_schemas(before, after, f"{path}.{index}")
    for index in range(len(new), len(old)):
        yield FieldChange("removed", f"{path}.{index}", before=old[index])
    for index in range(len(old), len(new)):
        yield FieldChange("added", f"{path}.{index}", after=new[index])


def _required(schema: Mapping[str, Any]) -> set[str]:
    names = schema.get("required")
    return set(names) if isinstance(names, list) else set()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
