"""Figures drawn by the server: SVG whose colours are the theme's, each with a caption, a table and its CSV.

Geometry only; what a figure says comes from whoever calls. A mark that stands for incidents links to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, log10
from textwrap import wrap
from typing import Any

from django import template

from accounts.words import duration
from incidents.charts import Bar, Cell, DotRow

register = template.Library()

#: More dots than this in one row are drawn as columns that count them.
DOTS = 60
BINS = 36
TICKS = ((1, "1 s"), (60, "1 min"), (3600, "1 h"), (86_400, "1 d"), (604_800, "1 wk"), (7_776_000, "90 d"))


@register.inclusion_tag("components/charts/heatmap.html")
def heatmap(
    rows: Sequence[tuple[str, Sequence[Cell | None]]], columns: Sequence[str], caption: str, csv: str
) -> dict[str, Any]:
    """Counts in a grid, one hue in six steps; the count stands in its cell."""
    left, top, wide, high = 168, 44, 76, 34
    most = max((cell.count for _, cells in rows for cell in cells if cell), default=1)
    drawn = []
    for index, (label, cells) in enumerate(rows):
        y = top + index * high
        boxes = [
            {
                "x": left + place * wide,
                "y": y,
                "middle": left + place * wide + wide / 2 - 1,
                "text": y + 21,
                "level": ceil(cell.count / most * 6) if cell else 0,
                "cell": cell,
            }
            for place, cell in enumerate(cells)
        ]
        drawn.append({"label": label, "y": y + 21, "boxes": boxes})
    heads = [
        {"x": left + place * wide + wide / 2 - 1, "lines": _stacked(word, top)} for place, word in enumerate(columns)
    ]
    return {
        "rows": drawn,
        "table": rows,
        "heads": heads,
        "columns": columns,
        "caption": caption,
        "csv": csv,
        "wide": wide - 2,
        "high": high - 2,
        "width": left + len(columns) * wide,
        "height": top + len(rows) * high,
    }


def _stacked(word: str, top: int) -> list[tuple[float, str]]:
    """The lines of a column's head, the last one just above the grid."""
    lines = wrap(word, 12)[:3]
    return [(top - 8 - (len(lines) - 1 - place) * 13, line) for place, line in enumerate(lines)]


@register.inclusion_tag("components/charts/bars.html")
def bars(rows: Sequence[Bar], caption: str, csv: str, now: str, before: str) -> dict[str, Any]:
    """Counts side by side: filled is ``now``, hatched is ``before``."""
    left, high, room = 214, 30, 240
    most = max((row.count + row.before for row in rows), default=1) or 1
    drawn = []
    for index, row in enumerate(rows):
        width = row.count / most * room
        drawn.append(
            {
                "row": row,
                "y": index * high + 5,
                "text": index * high + 20,
                "width": round(width, 1),
                "before_x": round(left + width, 1),
                "before_width": round(row.before / most * room, 1),
                "after": round(left + width + row.before / most * room + 8, 1),
            }
        )
    return {
        "rows": drawn,
        "caption": caption,
        "csv": csv,
        "now": now,
        "before": before,
        "left": left,
        "label_x": left - 8,
        "width": left + room + 70,
        "height": len(rows) * high,
    }


@register.inclusion_tag("components/charts/dots.html")
def dots(rows: Sequence[DotRow], caption: str, csv: str) -> dict[str, Any]:
    """Durations on a logarithmic line, each incident a dot; the median is a bar, the 90th percentile a dashed one."""
    left, high, room, top = 104, 40, 420, 8
    longest = max((value for row in rows for value, _, _ in row.dots), default=60.0)
    ticks = [tick for tick in TICKS if tick[0] <= max(longest, 60) * 1.2]
    reach = log10(max(longest, ticks[-1][0], 60) * 1.1)

    def across(value: float) -> float:
        return round(left + log10(max(value, 1.0)) / reach * room, 1)

    drawn = []
    for index, row in enumerate(rows):
        y = top + index * high
        drawn.append(
            {
                "row": row,
                "y": y,
                "middle": y + high / 2,
                "low": y + high - 6,
                "text": y + high / 2 + 4,
                "median": across(row.median) if row.median is not None else None,
                "p90": across(row.p90) if row.p90 is not None else None,
                "dots": [(across(value), *rest) for value, *rest in row.dots] if len(row.dots) <= DOTS else [],
                "columns": list(_columns(row, across, y, high)) if len(row.dots) > DOTS else [],
                "words": _times(row),
                "values": [
                    (duration(value), words, url)
                    for value, words, url in sorted(row.dots, key=lambda dot: dot[0], reverse=True)[:DOTS]
                ],
                "more": max(len(row.dots) - DOTS, 0),
            }
        )
    return {
        "rows": drawn,
        "ticks": [(across(at), word) for at, word in ticks],
        "caption": caption,
        "csv": csv,
        "left": left,
        "label_x": left - 8,
        "right": left + room + 12,
        "width": left + room + 250,
        "bottom": top + len(rows) * high,
        "axis": top + len(rows) * high + 14,
        "height": top + len(rows) * high + 20,
    }


def _columns(row: DotRow, across: Any, y: float, high: float) -> Iterable[dict[str, Any]]:
    """How many values lie in each of ``BINS`` equal widths, as columns of that height."""
    places = [across(value) for value, _, _ in row.dots]
    first, last = min(places), max(places)
    step = (last - first) / BINS or 1.0
    counts = [0] * BINS
    for place in places:
        counts[min(int((place - first) / step), BINS - 1)] += 1
    most = max(counts)
    for index, count in enumerate(counts):
        if count:
            tall = round(count / most * (high - 10), 1)
            yield {
                "x": round(first + index * step, 1),
                "y": round(y + high - 6 - tall, 1),
                "wide": round(max(step - 1, 1), 1),
                "tall": tall,
                "count": count,
            }


def _times(row: DotRow) -> str:
    if row.median is None:
        return "no data"
    p90 = f", p90 {duration(row.p90)}" if row.p90 is not None else ""
    return f"median {duration(row.median)}{p90}, n {len(row.dots)}"
