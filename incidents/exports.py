"""A postmortem's content as files: JSON that can be read back, Markdown that people read. Pure and total."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from accounts.words import duration, milliseconds, number, percent
from incidents.quoting import cell, embedded, plain

Content = Mapping[str, Any]


def as_json(content: Content) -> str:
    """The whole content, indented; reading it gives the content again."""
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def markdown(content: Content) -> str:
    """The page as Markdown. Text from alerts, agents and people is quoted so that none of it acts."""
    return "\n".join(_lines(content)).rstrip() + "\n"


# -- the page ---------------------------------------------------------------------------------------------------------
def _lines(content: Content) -> Iterator[str]:
    header = _of(content, "header")
    yield f"# {plain(header.get('ref'))}: {plain(header.get('title'))}"
    yield ""
    yield from _facts(header)
    yield from _section(content, "summary")
    yield from _timeline(content)
    yield from _inferences(content)
    yield from _table(
        "What moved",
        ("Variable", "Moved", "Before", "After", "Evidence"),
        (
            (row.get("label"), _words(row.get("moved")), row.get("before"), row.get("after"), row.get("evidence"))
            for row in _rows(content, "variables")
        ),
    )
    for name in ("impact", "detection", "root_cause"):
        yield from _section(content, name)
    yield from _factors(content)
    yield from _table(
        "Layers",
        ("Layer", "Finding", "Evidence", "Owner"),
        (
            (row.get("label"), _words(row.get("finding")), row.get("evidence"), row.get("owner"))
            for row in _rows(content, "layers")
        ),
    )
    owners = _of(content, "ownership")
    said = (("made_by", "Made by"), ("reviewed_by", "Reviewed by"), ("next_owner", "Next owner"), ("path", "By way of"))
    yield from _list("Ownership", (f"{word}: {plain(owners.get(name)) or 'not said'}" for name, word in said))
    yield from _bundle(content)
    yield from _damage(content)
    yield from _escapes(content)
    for name in ("resolution", "side_effects", "prevention"):
        yield from _section(content, name)
    yield from _actions(content)
    for name in ("customers", "lessons"):
        yield from _section(content, name)
    yield from _list(
        "Similar incidents", (f"{plain(r.get('ref'))}: {plain(r.get('title'))}" for r in _rows(content, "similar"))
    )


def _facts(header: Content) -> Iterator[str]:
    times, lags = _of(header, "times"), _of(header, "lags")
    yield f"- Severity: {plain(header.get('severity'))}"
    if header.get("deployment"):
        yield f"- Agent: {plain(header['deployment'])}"
    yield f"- Came to light by: {_words(header.get('detection_source'))}"
    yield f"- Class: {_words(header.get('diagnosis'))}"
    for name, lag in (
        ("started", ""),
        ("detected", "to_detect"),
        ("acknowledged", "to_acknowledge"),
        ("contained", "to_contain"),
        ("recovered", "to_recover"),
        ("resolved", "to_resolve"),
    ):
        after = f" (after {_duration(lags.get(lag))})" if lags.get(lag) is not None else ""
        yield f"- {name.capitalize()}: {_moment(times.get(name)) or 'not known'}{after}"
    if header.get("unowned_seconds") is not None:
        yield f"- Owned by nobody for: {_duration(header['unowned_seconds'])}"


def _timeline(content: Content) -> Iterator[str]:
    actors = {"person": "person", "automation": "automation", "agent": "agent"}
    yield from _list(
        "Timeline",
        (
            f"{_moment(row.get('at'))}, {plain(row.get('actor'))}"
            f" ({actors.get(str(row.get('actor_kind')), 'unknown')}): {plain(row.get('text'))}"
            for row in _rows(content, "timeline")
        ),
    )


PROSE = (
    ("saw", "It saw"),
    ("inferred", "It inferred"),
    ("should_have_inferred", "Better"),
    ("alternatives", "Alternatives it had"),
    ("cue", "Cue weighed wrongly, or lacking"),
    ("claimed_reasoning", "What it said of itself (testimony)"),
    ("evidenced_reasoning", "What its actions show (evidence)"),
    ("action", "It did"),
    ("authority", "By what right"),
)


def _inferences(content: Content) -> Iterator[str]:
    for index, row in enumerate(_rows(content, "inferences"), 1):
        yield from ("", f"## Inference {index}", "")
        version = row.get("version_at_fault")
        if isinstance(version, Mapping):
            yield f"Version at fault: {plain(version.get('bundle'))}@{plain(version.get('label'))}"
            yield ""
        if row.get("trace_id"):
            yield f"Run: {plain(row.get('day'))} {plain(row['trace_id'])}"
            yield ""
        for name, word in PROSE:
            if _string(row.get(name)).strip():
                yield from (f"### {word}", "", embedded(row[name], 3), "")
        for words, failed, tried in (("", "failures", "replays"), (" on the fix", "fixed_failures", "fixed_replays")):
            if row.get(tried):
                yield f"Failed{words} {number(_number(row.get(failed)))} of {number(_number(row[tried]))} times."
                yield ""


def _factors(content: Content) -> Iterator[str]:
    rows = _rows(content, "factors")
    if rows:
        yield from ("", "## Contributing factors", "")
    for index, row in enumerate(rows, 1):
        yield from (
            f"### Factor {index}, {_words(row.get('confidence'))}",
            "",
            embedded(_string(row.get("text")), 3),
            "",
        )
        if _string(row.get("evidence")).strip():
            yield from ("Evidence:", "", embedded(row["evidence"], 3), "")


def _bundle(content: Content) -> Iterator[str]:
    bundle = _of(content, "bundle")
    lines = []
    for name, word in (("from", "At fault"), ("to", "Good")):
        version = bundle.get(name)
        if isinstance(version, Mapping):
            digest = plain(str(version.get("digest"))[:12])
            lines.append(f"{word}: {plain(version.get('bundle'))}@{plain(version.get('label'))} (digest {digest})")
    if bundle.get("summary"):
        lines.append(f"Moved: {plain(bundle['summary'])}")
    for rollback in _rows(content, "rollbacks"):
        lines.append(
            f"Rolled back at {_moment(rollback.get('flipped_at'))} by {plain(rollback.get('by'))},"
            f" committed in {milliseconds(_number(rollback.get('committed_ms')))}"
        )
        for leg in _rows(rollback, "legs"):
            by = f" by {plain(leg['by'])}" if leg.get("by") else ""
            why = f": {plain(leg['reason'])}" if leg.get("reason") else ""
            lines.append(f"Leg {plain(leg.get('label'))}: {_words(leg.get('state'))}{by}{why}")
    lines += [
        f"Stopped {plain(stop.get('scope'))} at {_moment(stop.get('engaged_at'))} by {plain(stop.get('by'))}"
        for stop in _rows(content, "stops")
    ]
    yield from _list("Bundle and containment", lines)


def _damage(content: Content) -> Iterator[str]:
    damage, impact = _of(content, "damage"), _of(content, "impact")
    runs, exposure = _of(impact, "runs"), _of(impact, "exposure")
    unit = plain(damage.get("unit")) or "effects"
    lines = [f"Alerts: {number(_number(impact.get('alerts')))}"]
    if runs:
        lines.append(f"Runs failed: {number(_number(runs.get('failed')))} of {number(_number(runs.get('total')))}")
    if exposure:
        share = percent(_number(exposure.get("share_of_runs")))
        lines.append(
            f"Exposure: {number(_number(exposure.get('runs')))} runs of {plain(exposure.get('version'))}, {share}"
        )
        spared = exposure.get("regions_never_reached")
        if isinstance(spared, list) and spared:
            lines.append(f"Never received it: {plain(', '.join(map(str, spared)))}")
    if damage.get("latency_seconds") is not None:
        lines.append(f"From the decision to the last effect: {_duration(damage['latency_seconds'])}")
    if damage.get("minimum_damage") is not None:
        lines.append(f"Damage at the least: {number(_number(damage['minimum_damage']), 1)} {unit}")
    lines.append(f"Containment: {_words(damage.get('verdict')) or 'not measured'}")
    yield from _list("Damage", lines)


def _escapes(content: Content) -> Iterator[str]:
    rows = _rows(content, "escapes")
    if rows:
        yield from ("", "## Why it got through", "")
    for row in rows:
        yield from (f"### {plain(row.get('label'))}", "")
        if row.get("verdict"):
            yield from (f"{_words(row['verdict']).capitalize()}.", "")
        yield from (embedded(_string(row.get("answer")), 3) or "Not answered.", "")


def _actions(content: Content) -> Iterator[str]:
    yield from _table(
        "Actions",
        ("#", "Action", "Kind", "Owner", "Due", "How we will know", "State"),
        (
            (
                index,
                row.get("text"),
                row.get("label") or row.get("kind"),
                _of(row, "owner").get("name"),
                row.get("due_on"),
                row.get("verification"),
                "done"
                if row.get("done_at")
                else f"dropped: {row.get('dropped_reason')}"
                if row.get("dropped_at")
                else "open",
            )
            for index, row in enumerate(_rows(content, "actions"), 1)
        ),
    )


def _section(content: Content, name: str) -> Iterator[str]:
    section = _of(_of(content, "sections"), name)
    text = _string(section.get("text"))
    if text.strip():
        draft = " (draft, check)" if section.get("draft") else ""
        yield from ("", f"## {plain(section.get('title') or name)}{draft}", "", embedded(text), "")


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    found = list(rows)
    if not found:
        return
    yield from ("", f"## {title}", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}")
    for row in found:
        yield f"| {' | '.join(cell(each) or '—' for each in row)} |"
    yield ""


def _list(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield from ("", f"## {title}", "", *(f"- {line}" for line in found), "")


def _of(content: Content, name: str) -> Content:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def _rows(content: Content, name: str) -> list[Content]:
    value = content.get(name)
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


def _duration(value: Any) -> str:
    return duration(_number(value))


def _words(value: Any) -> str:
    return plain(_string(value).replace("_", " "))


def _moment(value: Any) -> str:
    """``2026-11-20 14:20:07 UTC`` of an ISO moment; whatever else it is, as it is."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)", _string(value))
    return f"{match[1]} {match[2]} UTC" if match else plain(value)
