"""How a case tells that an output is right: assertions, JSON Schemas, rubrics. Pure; practice uses it too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for

ASSERTION, JSON_SCHEMA, RUBRIC = "assertion", "json_schema", "rubric"
KINDS = (ASSERTION, JSON_SCHEMA, RUBRIC)
MAX_PATTERN = 1_000  # characters of a regular expression
MAX_RUBRIC = 20_000
MISSING = object()


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    return isinstance(found, list | dict) and any(same(item, value) for item in found)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


#: operator → whether what stands at the path satisfies it. What is not there satisfies only ``absent`` and the nots.
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda found, value: found is not MISSING and same(found, value),
    "not_equals": lambda found, value: found is MISSING or not same(found, value),
    "contains": _contains,
    "not_contains": lambda found, value: not _contains(found, value),
    "matches": lambda found, value: isinstance(found, str) and re.search(value, found) is not None,
    "not_matches": lambda found, value: not (isinstance(found, str) and re.search(value, found)),
    "at_least": lambda found, value: _number(found) and found >= value,
    "at_most": lambda found, value: _number(found) and found <= value,
    "one_of": lambda found, value: any(same(found, item) for item in value),
    "exists": lambda found, value: found is not MISSING,
    "absent": lambda found, value: found is MISSING,
}
WITHOUT_VALUE = frozenset({"exists", "absent"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passed`` and a sentence saying why; None when nobody could judge."""

    passed: bool | None
    why: str


def problems(kind: str, body: Any) -> list[str]:
    """Sentences saying what to put right in a check; empty when it can be applied."""
    if kind not in KINDS:
        return [f"A check is {', '.join(KINDS[:-1])} or {KINDS[-1]}, not {kind!r:.60}."]
    return {ASSERTION: _assertion, JSON_SCHEMA: _schema, RUBRIC: _rubric}[kind](body)


def _assertion(body: Any) -> list[str]:
    if not isinstance(body, dict):
        return ['An assertion is an object: {"path": "tool_call.amount", "operator": "at_most", "value": 500}.']
    found = [
        f"Unknown member {name!r:.60}; an assertion has path, operator and value." for name in body.keys() - _PARTS
    ]
    if not isinstance(body.get("path"), str) or len(body["path"]) > 500:
        found.append('path is dotted text such as "tool_call.amount", at most 500 characters; empty for all of it.')
    operator = body.get("operator")
    if not isinstance(operator, str) or operator not in OPERATORS:
        found.append(f"operator is one of {', '.join(OPERATORS)}.")
        return found
    if operator in WITHOUT_VALUE:
        return found
    if "value" not in body:
        return [*found, f"{operator} needs a value to compare with."]
    return found + _value(operator, body["value"])


_PARTS = {"path", "operator", "value"}


def _value(operator: str, value: Any) -> list[str]:
    if operator in {"at_least", "at_most"} and not _number(value):
        return [f"{operator} compares with a number."]
    if operator == "one_of" and (not isinstance(value, list) or not value):
        return ["one_of needs a list of values, at least one."]
    if operator in {"matches", "not_matches"}:
        if not isinstance(value, str) or not value or len(value) > MAX_PATTERN:
            return [f"{operator} needs a regular expression of 1 to {MAX_PATTERN:,} characters."]
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            return [f"This is no regular expression: {error}."]
    return []


def _schema(body: Any) -> list[str]:
    if not isinstance(body, dict):
        return ["A JSON Schema check is an object."]
    if not body:
        return ["This schema is empty: every output would pass."]
    if not isinstance(body.get("$schema", ""), str):
        return ["$schema must be text."]
    try:
        validator_for(body, default=Draft202012Validator).check_schema(body)
    except SchemaError as error:
        where = ".".join(str(step) for step in error.absolute_path) or "(schema)"
        return [f"Not a valid JSON Schema at {where}: {error.message[:300]}"]
    except RecursionError:
        return ["This schema is nested too deeply to check."]
    if _refers_outside(body):
        return ["A $ref may only point into the schema itself (#/…): a run fetches nothing."]
    return []


def _refers_outside(schema: Any) -> bool:
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name in ("$ref", "$dynamicRef", "$recursiveRef"):
                if isinstance(value.get(name), str) and not value[name].startswith("#"):
                    return True
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False


def _rubric(body: Any) -> list[str]:
    if not isinstance(body, dict) or body.keys() != {"text"} or not isinstance(body["text"], str):
        return ['A rubric is {"text": "what a good answer does"}.']
    if not body["text"].strip():
        return ["Write the rubric: what a judge should look for."]
    if len(body["text"]) > MAX_RUBRIC:
        return [f"A rubric has at most {MAX_RUBRIC:,} characters."]
    return []


def at_path(value: Any, path: str) -> Any:
    """What stands at a dotted path, list items by their number; ``MISSING`` when nothing does."""
    for step in path.split(".") if path else []:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return MISSING
    return value


def judge(output: Any, kind: str, body: Mapping[str, Any]) -> Verdict:
    """Apply a check without problems to an output. A rubric takes a judge, and there is none here."""
    if kind == RUBRIC:
        return Verdict(None, "no judge configured")
    if kind == JSON_SCHEMA:
        dialect = validator_for(body, default=Draft202012Validator)
        error = next(
            iter(sorted(dialect(body).iter_errors(output), key=lambda found: list(map(str, found.path)))), None
        )
        if error is None:
            return Verdict(True, "The output satisfies the schema.")
        where = ".".join(str(step) for step in error.absolute_path) or "(output)"
        return Verdict(False, f"{where}: {error.message[:500]}")
    path, operator, value = body["path"], body["operator"], body.get("value")
    found = at_path(output, path)
    passed = OPERATORS[operator](found, value)
    is_there = "is not there" if found is MISSING else f"is {found!r:.200}"
    wanted = operator if operator in WITHOUT_VALUE else f"{operator} {value!r:.200}"
    return Verdict(passed, f"{path or '(output)'} {is_there}; wanted: {wanted}")
