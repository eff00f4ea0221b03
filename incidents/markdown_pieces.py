"""Pieces of Markdown from JSON of any shape: what is not there is empty, and nothing makes them fail. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from accounts.words import duration
from incidents.contents import Content
from incidents.quoting import cell, embedded, plain


def said_under(word: str, text: Any) -> Iterator[str]:
    """Somebody's Markdown under a word of ours, when there is any."""
    if string(text).strip():
        yield from (f"{word}:", "", embedded(text, 3), "")


def table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """A table under its title, unless it is empty."""
    found = list(rows)
    if not found:
        return
    yield from ("", f"## {title}", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}")
    for row in found:
        yield f"| {' | '.join(cell(each) or '—' for each in row)} |"
    yield ""


def listed(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A list under its title, unless it is empty."""
    found = list(lines)
    if found:
        yield from ("", f"## {title}", "", *(f"- {line}" for line in found), "")


def facts(*pairs: tuple[str, str]) -> list[str]:
    """``word: value`` of each pair that has a value."""
    return [f"{word}: {value}" for word, value in pairs if value]


def names(content: Content, name: str) -> str:
    """The texts of a list, with commas."""
    value = content.get(name)
    return plain(", ".join(map(str, value))) if isinstance(value, list) else ""


def string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def figure(value: Any) -> float | None:
    """A number that can be written down."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def lasting(value: Any) -> str:
    return duration(figure(value))


def words(value: Any) -> str:
    return plain(string(value).replace("_", " "))


def moment(value: Any) -> str:
    """``2026-11-20 14:20:07 UTC`` of an ISO moment; whatever else it is, as it is."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)", string(value))
    return f"{match[1]} {match[2]} UTC" if match else plain(value)
