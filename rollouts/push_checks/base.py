"""What every check of a push shares: how it names a finding, and where in a text it stands. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

#: What would fail when it runs, and what only looks wrong.
ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the prompt's text, both counted from 1; a column counts characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing a check has to say of a body: which check, where (``path`` is dotted), and one sentence.

    ``severity`` is ``error`` for what would fail when it runs, ``warning`` for what only looks wrong. ``place`` is
    in the prompt's text, where the path is ``prompt.text``.
    """

    check: str
    path: str
    message: str
    severity: str = WARNING
    place: Place | None = None

    def as_json(self) -> dict[str, Any]:
        """``{"path", "message", "severity", "check"}``, and ``line`` and ``column`` where they apply."""
        told = {"path": self.path, "message": self.message, "severity": self.severity, "check": self.check}
        return told if self.place is None else {**told, "line": self.place.line, "column": self.place.column}


class Lines:
    """Turns offsets of one text into places, each by bisection: a prompt may have a million characters."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(index + 1 for index, sign in enumerate(text) if sign == "\n")]

    def place(self, offset: int) -> Place:
        line = bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)
