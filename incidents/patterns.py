"""Postmortem rows in, patterns out: what repeats, where, and how long each step takes. Pure; no database.

Durations are shown one by one, with medians and 90th percentiles beside their n, never as a bare mean: they are
skewed, and a mean of few says nothing (VOID report, 2021).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median, quantiles
from typing import Any

from incidents.models import Diagnosis, Layer, MovedVariable, Origin, Severity
from incidents.quarters import Quarter

#: A column of the heatmap: nobody has implicated a layer.
NO_LAYER = "none"
LAYERS: dict[str, str] = {**dict(Layer.choices), NO_LAYER: "No layer implicated"}
AXES: dict[str, dict[str, str]] = {
    "class": dict(Diagnosis.choices),
    "layer": dict(Layer.choices),
    "variable": dict(MovedVariable.Variable.choices),
    "origin": dict(Origin.choices),
}
#: What no recurrence can be read from.
SAYS_NOTHING = {("class", Diagnosis.UNKNOWN.value), ("origin", Origin.UNKNOWN.value)}
#: step → (the time it runs from, the time it runs to), as names of :class:`Record`.
STEPS: dict[str, tuple[str, str]] = {
    "Detect": ("started_at", "opened_at"),
    "Acknowledge": ("opened_at", "acknowledged_at"),
    "Contain": ("opened_at", "contained_at"),
    "Resolve": ("contained_at", "resolved_at"),
    "Document": ("resolved_at", "documented_at"),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One incident, as far as a review reads it. ``layers`` are those implicated, ``variables`` those that moved."""

    ref: str
    title: str
    severity: str
    opened_at: datetime
    diagnosis: str
    started_at: datetime | None = None
    acknowledged_at: datetime | None = None
    contained_at: datetime | None = None
    resolved_at: datetime | None = None
    documented_at: datetime | None = None
    published: bool = False
    layers: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    def on(self, axis: str) -> frozenset[str]:
        """Where it stands on one axis of ``AXES``."""
        if axis == "class":
            return frozenset({self.diagnosis})
        return {"layer": self.layers, "variable": self.variables, "origin": self.origins}[axis]

    @property
    def fingerprints(self) -> frozenset[tuple[str, str]]:
        """Its cells of the heatmap: class × each implicated layer."""
        return frozenset((self.diagnosis, layer) for layer in self.layers or {NO_LAYER})


@dataclass(frozen=True, slots=True)
class Pattern:
    """One value of one axis, or one cell of the heatmap, and the incidents that show it."""

    axis: str
    key: str
    label: str
    refs: tuple[str, ...]
    earlier: int = 0

    @property
    def count(self) -> int:
        return len(self.refs)

    @property
    def name(self) -> str:
        """What an address calls it: ``class.spec_gap``, ``cell.spec_gap.tools``."""
        return f"{self.axis}.{self.key}"


@dataclass(frozen=True, slots=True)
class StepTimes:
    """How long one step took: every incident's seconds with its reference, shortest first."""

    step: str
    seconds: tuple[tuple[float, str], ...] = ()

    @property
    def n(self) -> int:
        return len(self.seconds)

    @property
    def median(self) -> float | None:
        return median(value for value, _ in self.seconds) if self.seconds else None

    @property
    def p90(self) -> float | None:
        """The 90th percentile (inclusive method); None below five, where it would be the largest by another name."""
        values = [value for value, _ in self.seconds]
        return quantiles(values, n=10, method="inclusive")[8] if len(values) >= 5 else None


@dataclass(frozen=True, slots=True)
class Figures:
    """What one quarter's incidents show together."""

    quarter: Quarter
    records: tuple[Record, ...]
    previous: int
    severities: dict[str, tuple[str, ...]]
    cells: dict[tuple[str, str], Pattern]
    patterns: dict[str, list[Pattern]]
    repeats: tuple[str, ...]
    ladder: list[tuple[str, dict[str, int]]]
    steps: list[StepTimes]
    published: tuple[str, ...] = field(default=())

    @property
    def total(self) -> int:
        return len(self.records)

    def find(self, name: str) -> Pattern | None:
        """The pattern of this name; ``severity.SEV1``, ``repeats`` and ``published`` count as one too."""
        if name == "all":
            return Pattern("all", "", "All incidents", tuple(record.ref for record in self.records))
        if name == "repeats":
            return Pattern("repeats", "", "Seen before: same class, same layer", self.repeats)
        if name == "published":
            return Pattern("published", "", "With a published postmortem", self.published)
        axis, _, key = name.partition(".")
        if axis == "severity":
            return Pattern(axis, key, key, self.severities.get(key, ())) if key in Severity else None
        every = [*self.cells.values(), *(pattern for found in self.patterns.values() for pattern in found)]
        return next((pattern for pattern in every if pattern.name == name), None)


def figures(quarter: Quarter, records: Iterable[Record]) -> Figures:
    """Read ``records`` of this and earlier quarters, in any order, together."""
    ordered = sorted(records, key=lambda record: (record.opened_at, record.ref))
    earlier = [record for record in ordered if record.opened_at < quarter.start]
    present = [record for record in ordered if quarter.start <= record.opened_at < quarter.end]
    by_severity: dict[str, list[str]] = {level: [] for level in Severity.values}
    for record in present:
        by_severity[record.severity].append(record.ref)
    return Figures(
        quarter=quarter,
        records=tuple(present),
        previous=sum(record.opened_at >= quarter.shifted(-1).start for record in earlier),
        severities={level: tuple(refs) for level, refs in by_severity.items()},
        cells=_cells(present, earlier),
        patterns={axis: _patterns(axis, present, earlier) for axis in AXES},
        repeats=tuple(_repeats(present, earlier)),
        ladder=_ladder(quarter, ordered),
        steps=[_times(step, present) for step in STEPS],
        published=tuple(record.ref for record in present if record.published),
    )


def cell_label(diagnosis: str, layer: str) -> str:
    return f"{AXES['class'][diagnosis]} × {LAYERS[layer].lower()}"


def _cells(present: list[Record], earlier: list[Record]) -> dict[tuple[str, str], Pattern]:
    before = Counter(cell for record in earlier for cell in record.fingerprints)
    refs: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for record in present:
        for cell in record.fingerprints:
            refs[cell].append(record.ref)
    return {
        cell: Pattern("cell", ".".join(cell), cell_label(*cell), tuple(found), before[cell])
        for cell, found in refs.items()
    }


def _patterns(axis: str, present: list[Record], earlier: list[Record]) -> list[Pattern]:
    """Values seen this quarter, the most frequent first, with how often they were seen in the year before."""
    before = Counter(value for record in earlier for value in record.on(axis))
    refs: defaultdict[str, list[str]] = defaultdict(list)
    for record in present:
        for value in record.on(axis):
            refs[value].append(record.ref)
    found = [
        Pattern(axis, value, label, tuple(refs[value]), before[value])
        for value, label in AXES[axis].items()
        if value in refs and (axis, value) not in SAYS_NOTHING
    ]
    return sorted(found, key=lambda pattern: (-pattern.count, -pattern.earlier, pattern.label))


def _repeats(present: list[Record], earlier: list[Record]) -> Iterable[str]:
    """Incidents whose class and layer were both known and had been seen together before."""
    seen = {cell for record in earlier for cell in record.fingerprints}
    for record in present:
        telling = {cell for cell in record.fingerprints if cell[0] != Diagnosis.UNKNOWN.value and cell[1] != NO_LAYER}
        if telling & seen:
            yield record.ref
        seen |= record.fingerprints


def _ladder(quarter: Quarter, records: list[Record]) -> list[tuple[str, dict[str, int]]]:
    """Fingerprints seen in two quarters or more of the last five, each with its count per quarter."""
    quarters = [str(quarter.shifted(back)) for back in range(-4, 1)]
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for record in records:
        for cell in record.fingerprints:
            if cell[0] != Diagnosis.UNKNOWN.value:
                counts[cell][str(Quarter.of(record.opened_at))] += 1
    rungs = [
        (cell_label(*cell), {name: count[name] for name in quarters})
        for cell, count in counts.items()
        if sum(bool(count[name]) for name in quarters) >= 2
    ]
    return sorted(rungs, key=lambda rung: (-sum(rung[1].values()), rung[0]))


def _times(step: str, records: list[Record]) -> StepTimes:
    """Only spans that are known at both ends; an end before its beginning counts as nothing passed."""
    begin, end = STEPS[step]
    spans = []
    for record in records:
        since, until = getattr(record, begin), getattr(record, end)
        if since is not None and until is not None:
            spans.append((max((until - since).total_seconds(), 0.0), record.ref))
    return StepTimes(step, tuple(sorted(spans)))


def as_json(found: Figures) -> dict[str, Any]:
    """The figures as plain JSON: what a closed review freezes and the API answers."""
    return {
        "quarter": str(found.quarter),
        "incidents": found.total,
        "previous_quarter": found.previous,
        "published": list(found.published),
        "severities": {level: list(refs) for level, refs in found.severities.items()},
        "cells": [
            {"class": cell[0], "layer": cell[1], "incidents": list(pattern.refs), "year_before": pattern.earlier}
            for cell, pattern in sorted(found.cells.items())
        ],
        "patterns": {axis: [_pattern_json(pattern) for pattern in rows] for axis, rows in found.patterns.items()},
        "repeats": list(found.repeats),
        "ladder": [{"pattern": label, "quarters": counts} for label, counts in found.ladder],
        "steps": [
            {"step": times.step, "n": times.n, "median_seconds": times.median, "p90_seconds": times.p90}
            for times in found.steps
        ],
    }


def _pattern_json(pattern: Pattern) -> Mapping[str, Any]:
    return {"key": pattern.key, "label": pattern.label, "incidents": list(pattern.refs), "year_before": pattern.earlier}
