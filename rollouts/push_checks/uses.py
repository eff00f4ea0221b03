"""Which arguments of which tools a prompt and its few-shots use, and where. Pure.

Texts are read for what is written as a call and nothing is guessed from prose alone: ``tool(arg=…)``, JSON in a
fence, names in backticks in the sentence that names the tool, and a bare list after “with” (``refund with order_id,
amount and currency``). Few-shots are read for the shapes that model APIs use for calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

#: Characters that a call, or the sentence about a tool, is followed for.
REACH = 2_000
#: Times that tools are named, and fences, that one text is read for: a prompt of that many is read no further.
MOST_MENTIONS, MOST_FENCES = 2_000, 200
SENTENCE = 400
#: How a call names its tool, and its arguments, in the shapes of model APIs and of people.
_NAMES = ("name", "tool", "tool_name", "function", "function_name")
_ARGUMENTS = ("arguments", "input", "args", "parameters", "tool_input")
_KEYWORD = re.compile(r"[\s,]*([A-Za-z_][\w-]*)\s*(?:=(?!=)|:(?!/))")
_NAMED = re.compile(r"[\w-]+")
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
_BACKTICKED = re.compile(r"`([A-Za-z_][\w-]{0,99})`")
_ENDS = re.compile(r"[.!?](?=\s|$)|\n\s*\n|\n\s*[-*#\d]")
_GIVES = re.compile(
    r"\b(with|pass(?:es|ing)?|arguments?|parameters?|fields?|set(?:ting)?|provid(?:e|ing)|includ(?:e|ing))\b", re.I
)
_ANSWERS = re.compile(
    r"\b(returns?|returned|responds?|response|result|answers?|outputs?|gives back|unless|if|when)\b", re.I
)
_LIST = re.compile(r"\s+with\s+(?:the\s+(?:arguments|parameters|fields)\s+)?", re.IGNORECASE)
_WORD = re.compile(r"`?([A-Za-z_]\w{0,99})`?(?=\W|$)")
_JOINT = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+")
_ARTICLES = frozenset({"the", "a", "an", "its", "their", "your", "this", "that", "no", "any", "all"})


@dataclass(frozen=True, slots=True)
class Use:
    """One argument given to one tool. ``offset`` is within the text; ``sure``: written as a call, not as prose."""

    tool: str
    argument: str
    offset: int
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A whole call in a few-shot row, at ``path`` below the row."""

    tool: str
    arguments: dict[str, Any]
    path: str


def uses_in(text: str, tools: Collection[str]) -> Iterator[Use]:
    """Every argument that ``text`` gives to one of ``tools``."""
    mentions = _mentions(text, tools)
    if not mentions:
        return
    fences = [(found.start(2), found.end(2)) for found in islice(_FENCE.finditer(text), MOST_FENCES)]
    for index, found in enumerate(mentions):
        following = mentions[index + 1].start() if index + 1 < len(mentions) else len(text)
        call = re.compile(r"`?\s{0,2}\(").match(text, found.end())
        if call:
            yield from _given(found[0], text, call.end())
        elif not any(start <= found.start() < end for start, end in fences):
            yield from _told(found[0], text, found.end(), min(following, found.end() + SENTENCE), tools)
    for start, end in fences:
        before = [found[0] for found in mentions if start - SENTENCE <= found.start() < start]
        yield from _fenced(text, start, end, tools, before[-1] if before else None)


def _mentions(text: str, tools: Collection[str]) -> list[re.Match[str]]:
    """Where a tool is named. By words and a set, since 500 alternatives at a million places take seconds."""
    wanted = frozenset(tools)
    found = [word for word in _NAMED.finditer(text) if word[0] in wanted]
    if odd := sorted((re.escape(name) for name in wanted if not _NAMED.fullmatch(name)), key=len, reverse=True):
        found += re.finditer(rf"(?<![\w-])(?:{'|'.join(odd)})(?![\w-])", text)
        found.sort(key=re.Match.start)
    return found[:MOST_MENTIONS]


def _given(tool: str, text: str, start: int) -> Iterator[Use]:
    """``(arg=…, other: …)`` from behind the bracket: names at its own level, those in quotes of one JSON object too."""
    if (opened := re.compile(r"\s*\{").match(text, start)) is not None:
        for path, name, offset in members(text, opened.end() - 1, min(len(text), start + REACH)):
            if not path:
                yield Use(tool, name, offset)
        return
    depth, quote, position, fresh = 0, "", start, True
    end = min(len(text), start + REACH)
    while position < end:
        sign = text[position]
        if quote:
            if sign == "\\":
                position += 1
            elif sign == quote:
                quote = ""
        elif depth == 0 and fresh and (named := _KEYWORD.match(text, position, end)):
            yield Use(tool, named[1], named.start(1))
            position, fresh = named.end(), False
            continue
        elif sign in "\"'":
            quote = sign if sign == '"' or not text[position - 1].isalnum() else ""
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            if depth == 0:
                return
            depth -= 1
        if depth == 0 and not sign.isspace():
            fresh = sign == "," and not quote
        position += 1


def _told(tool: str, text: str, start: int, end: int, tools: Collection[str]) -> Iterator[Use]:
    """The rest of the sentence that names the tool, as far as it says what to give."""
    sentence = text[start:end]
    if stop := _ENDS.search(sentence):
        sentence = sentence[: stop.start()]
    if stop := _ANSWERS.search(sentence):
        sentence = sentence[: stop.start()]
    if gives := _GIVES.search(sentence):
        for found in _BACKTICKED.finditer(sentence, gives.end()):
            if found[1] not in tools:
                yield Use(tool, found[1], start + found.start(1), sure=False)
    listed = _LIST.match(sentence.lstrip("`"))
    if listed:
        shift = len(sentence) - len(sentence.lstrip("`"))
        for name, offset in _words(sentence, listed.end() + shift):
            yield Use(tool, name, start + offset, sure=False)


def _words(sentence: str, position: int) -> Iterator[tuple[str, int]]:
    """``order_id, amount and currency``: single words only; “the order” is prose and is no name."""
    while found := _WORD.match(sentence, position):
        joint = _JOINT.match(sentence, found.end())
        if found[1].casefold() in _ARTICLES:
            following = _JOINT.search(sentence, found.end())  # past this item of the list
            if following is None or following.start() - found.end() > 40:
                return
            position = following.end()
            continue
        alone = joint is not None or not sentence[found.end() :].strip(" \t\r\n`:;)")
        if alone:
            yield found[1], found.start(1)
        if joint is None:
            return
        position = joint.end()


def _fenced(text: str, start: int, end: int, tools: Collection[str], before: str | None) -> Iterator[Use]:
    """JSON in a fence: a call that names its tool, ``{tool: {…}}``, or the arguments of the tool named just before."""
    opened = text.find("{", start, end)
    if opened < 0 or text[start:opened].strip(" \t\r\n["):
        return
    found = list(members(text, opened, min(end, opened + 10 * REACH)))
    top = {name: offset for path, name, offset in found if not path}
    named = next((name for name in _NAMES if name in top), None)
    holder = next((name for name in _ARGUMENTS if name in top), None)
    tool = next((name for name in top if name in tools), None)
    if named is not None and holder is not None:
        quoted = re.compile(r"\"\s*:\s*(?:\{\s*\"name\"\s*:\s*)?\"([^\"\n]{1,200})\"").search(text, top[named], end)
        tool = quoted[1] if quoted else None
        yield from (Use(tool, name, at) for path, name, at in found if path == (holder,) and tool in tools and tool)
    elif tool is not None:
        yield from (Use(tool, name, at) for path, name, at in found if path == (tool,))
    elif before is not None:
        yield from (Use(before, name, at, sure=False) for name, at in top.items())


def members(text: str, start: int, end: int) -> Iterator[tuple[tuple[str, ...], str, int]]:
    """(path, name, offset) of the members of the JSON object that opens at ``start``, as written.

    Placeholders such as ``<amount>`` or … may stand for values; lists count as part of the member that holds them.
    """
    path: list[str] = []
    name, position = "", start
    marks: list[str] = []
    quoted = re.compile(r"\"((?:[^\"\\\n]|\\.){0,200})\"(\s*:)?")
    while position < end:
        sign = text[position]
        if sign == '"' and (found := quoted.match(text, position, end)):
            if found[2] and marks and marks[-1] == "{":
                name = found[1]
                yield tuple(path), name, position + 1
            position = found.end()
            continue
        if sign in "{[":
            if marks:
                path.append(name if sign == "{" or marks[-1] == "{" else "")
            marks.append(sign)
        elif sign in "}]" and marks:
            marks.pop()
            if not marks:
                return
            path.pop()
        position += 1


def calls_in(row: Any, tools: Collection[str]) -> Iterator[Call]:
    """Calls written as such in a few-shot row, whatever shape the row has."""
    waiting: list[tuple[str, Any]] = [("", row)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, list):
            waiting.extend((f"{path}.{index}", item) for index, item in enumerate(value))
        elif isinstance(value, dict):
            name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
            key, arguments = next(
                ((key, found) for key in _ARGUMENTS if (found := _object(value.get(key))) is not None), ("", None)
            )
            if name is not None and arguments is not None:
                yield Call(name, arguments, f"{path}.{key}")
                continue
            for member, item in value.items():
                if member in tools and isinstance(item, dict):
                    yield Call(member, item, f"{path}.{member}")
                elif isinstance(item, dict | list):
                    waiting.append((f"{path}.{member}", item))


def texts_in(row: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of every text in a few-shot row."""
    waiting: list[tuple[str, Any]] = [(path, row)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, list):
            waiting.extend((f"{where}.{index}", item) for index, item in enumerate(value))
        elif isinstance(value, dict):
            waiting.extend((f"{where}.{name}", item) for name, item in value.items())


def _object(value: Any) -> dict[str, Any] | None:
    """An object, also one that is sent as text, as OpenAI's API does."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
