"""The prompt against the tools: arguments it uses that a tool does not take (R016), or takes by another name (R017).

Pure. A change of one without the other is the accident that bundles are there to prevent: the prompt learns a
``currency`` that the tool never had, or the tool renames ``account_id`` while the few-shots go on teaching it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.push_checks.base import ERROR, WARNING, Concern, Lines
from rollouts.push_checks.uses import Use, calls_in, texts_in, uses_in
from rollouts.schema_diff import letters, twin_of

CHECK = "arguments"
#: ``account_id``, ``accountId``, ``account-id``: words that nobody writes but as a name.
_IDENTIFIER = re.compile(r"(?<![\w-])(?:[A-Za-z][A-Za-z0-9]*(?:[_-][A-Za-z0-9]+)+|[a-z]+(?:[A-Z][a-z0-9]*)+)(?![\w-])")
#: Keywords that can bring members without naming them here: such a tool takes what we cannot list.
_OPEN = ("patternProperties", "$dynamicRef", "dependentSchemas", "if")


@dataclass(frozen=True, slots=True)
class Takes:
    """What a tool takes: its arguments by name, which of them it must have, and whether it refuses any other."""

    names: frozenset[str]
    required: frozenset[str]
    closed: bool
    answers: frozenset[str]


def check(body: Mapping[str, Any]) -> Iterator[Concern]:
    """What the prompt and the few-shots use that the tools do not take; each argument of a tool once per place."""
    tools = {tool["name"]: takes for tool in body.get("tools") or [] if (takes := taken(tool)) is not None}
    known = [tool["name"] for tool in body.get("tools") or []]
    if not known:
        return
    text = str(body["prompt"]["text"])
    lines, spellings = Lines(text), _spellings(tools, known)
    told = list(_of_text(text, "prompt.text", tools, lines))
    yield from told
    yield from _misspelt(text, "prompt.text", spellings, told, lines)
    for index, row in enumerate(body["prompt"].get("few_shots") or []):
        path = f"prompt.few_shots.{index}"
        told = list(_of_calls(row, path, tools, known))
        for below, said in texts_in(row, path):
            told += _of_text(said, below, tools, None)
        yield from told
        yield from _misspelt(json.dumps(row, ensure_ascii=False), path, spellings, told, None)


def taken(tool: Mapping[str, Any]) -> Takes | None:
    """None when the schema does not list what the tool takes."""
    schema = tool["input_schema"]
    parts = list(_parts(schema, schema))
    if any(keyword in part for part in parts for keyword in _OPEN):
        return None
    names = frozenset(name for part in parts for name in _members(part, "properties"))
    closed = any(part.get("additionalProperties") is False for part in parts)
    if not names and not closed:
        return None
    told = schema.get("required")
    required = [name for name in told if isinstance(name, str)] if isinstance(told, list) else []
    output = tool.get("output_schema")
    answers = frozenset(_members(output, "properties")) if isinstance(output, Mapping) else frozenset[str]()
    return Takes(names, frozenset(required), closed, answers)


def _parts(schema: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema and what it is put together from, references within it included; each part once."""
    waiting: list[Any] = [schema]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Mapping) or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        for keyword in ("allOf", "anyOf", "oneOf"):
            listed = part.get(keyword)
            waiting.extend(listed if isinstance(listed, list) else ())
        reference = part.get("$ref")
        if isinstance(reference, str):
            found: Any = root if reference.startswith("#") else None
            for step in reference.removeprefix("#").strip("/").split("/"):
                found = found.get(step) if isinstance(found, Mapping) and step else found
            # What leads outside brings members that are not known here.
            waiting.append(found if isinstance(found, Mapping) else {"$dynamicRef": reference})


def _members(schema: Mapping[str, Any], keyword: str) -> list[str]:
    value = schema.get(keyword)
    return list(value) if isinstance(value, Mapping) else []


def _of_text(text: str, path: str, tools: Mapping[str, Takes], lines: Lines | None) -> Iterator[Concern]:
    found = list(uses_in(text, tools.keys()))
    fitting = {use.tool for use in found if _fits(use, tools[use.tool])}
    told: set[tuple[str, str]] = set()
    for use in sorted(found, key=lambda use: use.offset):
        takes = tools[use.tool]
        if use.argument in takes.names or (use.tool, use.argument) in told:
            continue
        if not use.sure and (use.argument in takes.answers or use.tool not in fitting):
            continue  # prose: believed only where it names something that the tool does take
        told.add((use.tool, use.argument))
        place = lines.place(use.offset) if lines is not None else None
        yield Concern(CHECK, path, _sentence(use.tool, use.argument, takes), _severity(takes, use.sure), place)


def _of_calls(row: Any, path: str, tools: Mapping[str, Takes], known: list[str]) -> Iterator[Concern]:
    for call in calls_in(row, known):
        where = f"{path}{call.path}"
        if call.tool not in known:
            near = twin_of(call.tool, known)
            said = (
                f"This calls {call.tool}, and the bundle has {near}: was it renamed?"
                if near
                else (f"This calls {call.tool}, a tool that the bundle does not have.")
            )
            yield Concern(CHECK, where, said, ERROR if near else WARNING)
            continue
        takes = tools.get(call.tool)
        if takes is None:
            continue
        for name in call.arguments:
            if name not in takes.names:
                yield Concern(CHECK, f"{where}.{name}", _sentence(call.tool, name, takes), _severity(takes, True))
        renamed = {twin_of(name, takes.names) for name in call.arguments if name not in takes.names}
        for name in sorted(takes.required - call.arguments.keys() - renamed):
            yield Concern(CHECK, where, f"This call leaves out {name}, which {call.tool} requires.", ERROR)


def _spellings(tools: Mapping[str, Takes], known: list[str]) -> dict[str, tuple[str, str]]:
    """letters → (tool, argument), of arguments that can be told from words; empty texts for what is a name as it is."""
    found = {letters(name): (tool, name) for tool, takes in tools.items() for name in takes.names}
    exact = {name for takes in tools.values() for name in (*takes.names, *takes.answers)} | {*known}
    return found | {f"={name}": ("", "") for name in exact}


def _misspelt(
    text: str, path: str, spellings: Mapping[str, tuple[str, str]], told: list[Concern], lines: Lines | None
) -> Iterator[Concern]:
    """Identifiers that are an argument but for case and underscores, wherever they stand: in prose, lists, outputs."""
    seen = {word for concern in told for word in _IDENTIFIER.findall(concern.message)}
    for found in _IDENTIFIER.finditer(text):
        word = found[0]
        if word in seen or f"={word}" in spellings:
            continue
        seen.add(word)
        tool, argument = spellings.get(letters(word), ("", ""))
        if argument:
            said = f"{tool} takes {argument}, and this says {word}: a field renamed on one side only."
            yield Concern(CHECK, path, said, WARNING, lines.place(found.start()) if lines is not None else None)


def _fits(use: Use, takes: Takes) -> bool:
    return use.argument in takes.names or twin_of(use.argument, takes.names) is not None


def _sentence(tool: str, argument: str, takes: Takes) -> str:
    if near := twin_of(argument, takes.names):
        return f"{tool} takes {near}, and this says {argument}: a field renamed on one side only."
    if not takes.names:
        return f"{tool} takes no arguments, and this gives it {argument}."
    return f"{tool} does not take {argument}; it takes {', '.join(sorted(takes.names)[:12])}."


def _severity(takes: Takes, sure: bool) -> str:
    """A call with an argument that the schema refuses fails; one that it merely does not know may pass."""
    return ERROR if takes.closed and sure else WARNING
