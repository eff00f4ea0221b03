"""What the figures of pages are made of; drawn by the tags of ``charts``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a heatmap: a count and what it opens."""

    count: int
    url: str
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a count now, a count before, and what it opens."""

    label: str
    count: int
    before: int
    url: str


@dataclass(frozen=True, slots=True)
class DotRow:
    """Values of one row in seconds, each with its label and what it opens, and the marks drawn over them."""

    label: str
    dots: Sequence[tuple[float, str, str]]
    median: float | None
    p90: float | None
