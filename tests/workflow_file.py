"""Reads a workflow file: the part of YAML that such files use, and nothing that has two meanings.

Mappings, lists of mappings or values, block texts (``|``), plain and quoted values, comments. Tabs, anchors, tags, flow
collections, a member twice and an odd indent are refused, as is whatever else YAML could mean.
"""

from __future__ import annotations

import json
import re
from typing import Any

LINE = re.compile(r"(?P<indent> *)(?P<text>.*)")
MEMBER = re.compile(r"""(?P<name>[A-Za-z_][\w-]*)\s*:(?:\s+(?P<value>.+))?$""")


class NotAWorkflow(ValueError):
    """The line that cannot be read."""


class Reader:
    def __init__(self, text: str) -> None:
        self.lines: list[tuple[int, int, str]] = []  # number, indent, text
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line:
                raise NotAWorkflow(f"line {number}: a tab")
            found = LINE.match(line)
            assert found is not None
            self.lines.append((number, len(found["indent"]), found["text"].rstrip()))
        self.position = 0

    def peek(self) -> tuple[int, int, str] | None:
        while self.position < len(self.lines):
            number, indent, text = self.lines[self.position]
            if text and not text.startswith("#"):
                return number, indent, text
            self.position += 1
        return None

    def block(self, indent: int) -> Any:
        """The mapping or list whose lines stand at ``indent``."""
        line = self.peek()
        if line is None or line[1] < indent:
            return None
        return self.items(line[1]) if line[2].startswith("- ") else self.members(line[1])

    def members(self, indent: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while (line := self.peek()) is not None and line[1] >= indent:
            number, at, text = line
            found = MEMBER.match(text)
            if at != indent or found is None or found["name"] in made:
                raise NotAWorkflow(f"line {number}: {text}")
            self.position += 1
            made[found["name"]] = self.value(found["value"], indent, number)
        return made

    def items(self, indent: int) -> list[Any]:
        made = []
        while (line := self.peek()) is not None and line[1] >= indent:
            number, at, text = line
            if at != indent or not text.startswith("- "):
                raise NotAWorkflow(f"line {number}: {text}")
            rest = text[2:]
            if MEMBER.match(rest):
                self.lines[self.position] = (number, indent + 2, rest)
                made.append(self.members(indent + 2))
            else:
                self.position += 1
                made.append(plain(rest, number))
        return made

    def value(self, said: str | None, indent: int, number: int) -> Any:
        if said == "|":
            return self.text(indent)
        if said is None:
            return self.block(indent + 1)
        return plain(said, number)

    def text(self, indent: int) -> str:
        """A block of text: every line that stands further in."""
        kept: list[str] = []
        inner = 0
        while self.position < len(self.lines):
            _, at, text = self.lines[self.position]
            if text and at <= indent:
                break
            inner = inner or at
            kept.append(" " * (at - inner) + text if text else "")
            self.position += 1
        return "\n".join(kept).rstrip("\n") + "\n"


def plain(said: str, number: int) -> Any:
    """A value on one line."""
    if said.startswith('"'):
        try:
            return json.loads(said)
        except ValueError:
            raise NotAWorkflow(f"line {number}: {said}") from None
    if said[0] in "'&*!%@`[]{}>|?," or ": " in said or " #" in said:
        raise NotAWorkflow(f"line {number}: {said}")
    if said in {"true", "false"}:
        return said == "true"
    return int(said) if said.isdecimal() else said


def read(text: str) -> dict[str, Any]:
    reader = Reader(text)
    made = reader.block(0)
    if reader.peek() is not None or not isinstance(made, dict):
        raise NotAWorkflow("not one mapping")
    return made
