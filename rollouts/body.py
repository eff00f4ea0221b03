"""The pushed body of a bundle version: what may stand in it, and its digests. Pure.

Every finding is reported at once, each with the path of what is wrong (``tools.0.input_schema``), so that one
answer is enough to put a push right.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785
from jsonschema.validators import Draft202012Validator, validator_for

from rollouts.names import label_problem

PARTS = ("prompt", "model", "tools", "retrieval", "harness")
IN_FLIGHT_POLICIES = ("complete_old", "complete_new", "cancel_retry")
MAX_BYTES = 4 * 1024 * 1024  # of the canonical form
MAX_DEPTH = 64
MAX_TEXT = 1_000_000  # characters of one text
MAX_TOOLS = 500
MAX_FEW_SHOTS = 5_000
MAX_EXAMPLES = 500  # of one tool
MAX_FINDINGS = 100
SAFE_INTEGER = 2**53 - 1  # the largest whole number that RFC 8785 can hold

_TOOL_NAME = re.compile(r"[^\s\x00-\x1f]{1,200}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a body; ``path`` is dotted and empty for the body as a whole."""

    path: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"path": self.path, "message": self.message}


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256, hex, over RFC 8785 JSON: of everything but the label, of what moves behaviour, of each part."""

    whole: str
    behaviour: str
    parts: dict[str, str]


def digests(body: Mapping[str, Any]) -> Digests:
    """The digests of a body without findings; a part that was not pushed has none."""
    content = {name: value for name, value in body.items() if name != "label"}
    behaviour = {name: value for name, value in content.items() if name != "metadata"}
    return Digests(sha256(content), sha256(behaviour), {name: sha256(value) for name, value in behaviour.items()})


def sha256(value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


def findings(body: Any) -> list[Finding]:
    """Everything wrong with a pushed body, in reading order; empty when it can be stored."""
    if not isinstance(body, dict):
        return [Finding("", "The body must be a JSON object.")]
    found: list[Finding] = []
    for path, message in _checked(body):
        found.append(Finding(path, message))
        if len(found) == MAX_FINDINGS:
            found.append(Finding("", f"More than {MAX_FINDINGS} findings; the rest is not shown."))
            break
    return found


Problems = Iterator[tuple[str, str]]


def _checked(body: dict[str, Any]) -> Problems:
    odd = list(unstorable(body))
    yield from odd
    yield from _members(
        body, "", required=("prompt", "model"), optional=("label", "tools", "retrieval", "harness", "metadata")
    )
    if "label" in body and body["label"] is not None:
        if not isinstance(body["label"], str):
            yield "label", "A label is text."
        elif problem := label_problem(body["label"]):
            yield "label", problem
    for name, check in _PART_CHECKS.items():
        if name in body:
            yield from check(body[name])
    if not odd and len(rfc8785.dumps(body)) > MAX_BYTES:
        yield (
            "",
            f"The body is larger than {MAX_BYTES // 1024 // 1024} MiB; keep large material outside and refer to it.",
        )


def _members(value: Any, path: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Problems:
    """An object with all of ``required`` and nothing beyond ``optional``."""
    if not isinstance(value, dict):
        yield path, "This must be an object."
        return
    for name in required:
        if name not in value:
            yield _join(path, name), "This is required."
    for name in value:
        if name not in required and name not in optional:
            yield _join(path, name), f"Unknown member; known are {', '.join((*required, *optional))}."


def _text(value: Any, path: str, name: str, *, filled: bool = False, limit: int = 1_000) -> Problems:
    """The member ``name``, if there, is text of at most ``limit`` characters."""
    if not isinstance(value, dict) or name not in value:
        return
    text = value[name]
    if not isinstance(text, str):
        yield _join(path, name), "This must be text."
    elif filled and not text.strip():
        yield _join(path, name), "This must not be empty."
    elif len(text) > limit:
        yield _join(path, name), f"This has {len(text):,} characters; the limit is {limit:,}."


def _object(value: Any, path: str, name: str) -> Problems:
    if isinstance(value, dict) and name in value and not isinstance(value[name], dict):
        yield _join(path, name), "This must be an object."


def _prompt(value: Any) -> Problems:
    yield from _members(value, "prompt", required=("text",), optional=("few_shots",))
    yield from _text(value, "prompt", "text", filled=True, limit=MAX_TEXT)
    if isinstance(value, dict) and "few_shots" in value:
        rows = value["few_shots"]
        if not isinstance(rows, list):
            yield "prompt.few_shots", "This must be a list."
        elif len(rows) > MAX_FEW_SHOTS:
            yield "prompt.few_shots", f"{len(rows):,} rows; the limit is {MAX_FEW_SHOTS:,}."
        else:
            for index, row in enumerate(rows):
                if not isinstance(row, dict | list | str):
                    yield f"prompt.few_shots.{index}", "A few-shot row is an object, a list or text."


def _model(value: Any) -> Problems:
    yield from _members(value, "model", required=("provider", "snapshot"), optional=("parameters", "route"))
    for name in ("provider", "snapshot"):
        yield from _text(value, "model", name, filled=True, limit=200)
    yield from _object(value, "model", "parameters")
    if isinstance(value, dict) and value.get("route") is not None and not isinstance(value["route"], str | dict):
        yield "model.route", "A route is text or an object."


def _tools(value: Any) -> Problems:
    if not isinstance(value, list):
        yield "tools", "This must be a list."
        return
    if len(value) > MAX_TOOLS:
        yield "tools", f"{len(value):,} tools; the limit is {MAX_TOOLS:,}."
        return
    seen: dict[str, int] = {}
    for index, tool in enumerate(value):
        path = f"tools.{index}"
        optional = ("description", "output_schema", "deterministic", "examples")
        yield from _members(tool, path, required=("name", "input_schema"), optional=optional)
        if not isinstance(tool, dict):
            continue
        name = tool.get("name")
        if "name" in tool and (not isinstance(name, str) or not _TOOL_NAME.fullmatch(name)):
            yield f"{path}.name", "A tool's name is 1 to 200 characters without spaces."
        elif isinstance(name, str) and seen.setdefault(name, index) != index:
            yield f"{path}.name", f"The name {name} is taken by tools.{seen[name]}."
        yield from _text(tool, path, "description", limit=100_000)
        for schema in ("input_schema", "output_schema"):
            if schema in tool:
                yield from _schema(tool[schema], f"{path}.{schema}")
        yield from _examples(tool, path)


def _examples(tool: dict[str, Any], path: str) -> Problems:
    """What a tool that is declared deterministic gives for what it is given."""
    if not isinstance(tool.get("deterministic", False), bool):
        yield f"{path}.deterministic", "This is true or false."
    examples = tool.get("examples", [])
    if not isinstance(examples, list):
        yield f"{path}.examples", "This must be a list."
        return
    if len(examples) > MAX_EXAMPLES:
        yield f"{path}.examples", f"{len(examples):,} examples; the limit is {MAX_EXAMPLES:,}."
        return
    for number, example in enumerate(examples):
        yield from _members(example, f"{path}.examples.{number}", required=("arguments", "output"))
        yield from _object(example, f"{path}.examples.{number}", "arguments")


def _schema(schema: Any, path: str) -> Problems:
    """A JSON Schema by its own ``$schema``, else by draft 2020-12. References are not followed."""
    if not isinstance(schema, dict):
        yield path, "A tool's schema is a JSON Schema object."
        return
    if not isinstance(schema.get("$schema", ""), str):
        yield f"{path}.$schema", "This must be text."
        return
    dialect = validator_for(schema, default=Draft202012Validator)
    meta = dialect(dialect.META_SCHEMA, format_checker=dialect.FORMAT_CHECKER)
    try:
        for error in meta.iter_errors(schema):
            yield _join(path, *error.absolute_path), f"Not a valid JSON Schema: {error.message[:300]}"
    except RecursionError:
        yield path, "This schema is nested too deeply to check."


def _free(name: str) -> Callable[[Any], Problems]:
    """A part whose members are the team's own."""

    def check(value: Any) -> Problems:
        if not isinstance(value, dict):
            yield name, "This must be an object."

    return check


def _metadata(value: Any) -> Problems:
    texts = ("author", "reviewer", "commit", "eval_set")
    optional = (*texts, "in_flight_policy", "change", "output_contract", "experiment")
    yield from _members(value, "metadata", optional=optional)
    if not isinstance(value, dict):
        return
    for name in (*texts, "output_contract", "experiment"):
        if value.get(name) is not None:
            yield from _text(value, "metadata", name)
    policy = value.get("in_flight_policy")
    if policy is not None and policy not in IN_FLIGHT_POLICIES:
        yield "metadata.in_flight_policy", f"One of {', '.join(IN_FLIGHT_POLICIES)}."
    change = value.get("change")
    if change is not None:
        yield from _members(change, "metadata.change", optional=("what", "expect", "threshold"))
        for name in ("what", "expect"):
            if isinstance(change, dict) and change.get(name) is not None:
                yield from _text(change, "metadata.change", name, limit=10_000)
        if isinstance(change, dict) and not isinstance(change.get("threshold"), str | int | float | None):
            yield "metadata.change.threshold", "A threshold is a number or text."


_PART_CHECKS: dict[str, Callable[[Any], Problems]] = {
    "prompt": _prompt,
    "model": _model,
    "tools": _tools,
    "retrieval": _free("retrieval"),
    "harness": _free("harness"),
    "metadata": _metadata,
}


def unstorable(body: Any) -> Problems:
    """What neither RFC 8785 nor the database can hold. Walks without recursion: the depth is the sender's."""
    waiting: list[tuple[str, Any, int]] = [("", body, 1)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, dict | list) and depth > MAX_DEPTH:
            yield path, f"Nested deeper than {MAX_DEPTH} levels."
        elif isinstance(value, dict):
            for name, item in value.items():
                if not isinstance(name, str) or _UNSTORABLE.search(name):
                    yield path, "A member's name holds a NUL or half a surrogate pair."
                else:
                    waiting.append((_join(path, name), item, depth + 1))
        elif isinstance(value, list):
            waiting.extend((_join(path, index), item, depth + 1) for index, item in enumerate(value))
        elif isinstance(value, str):
            if _UNSTORABLE.search(value):
                yield path, "This text holds a NUL or half a surrogate pair."
        elif isinstance(value, float):
            if not math.isfinite(value):
                yield path, "This number is not finite."
            elif value.is_integer() and abs(value) > SAFE_INTEGER:
                yield path, "This number is too large to be exact; send it as text."
        elif isinstance(value, int) and abs(value) > SAFE_INTEGER:
            yield path, "This number is too large to be exact; send it as text."


def _join(path: str, *names: Any) -> str:
    return ".".join(str(name) for name in (path, *names) if str(name) != "")
