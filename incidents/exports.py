"""A postmortem's content as files: JSON that can be read back, Markdown that people read. Pure and total."""

from __future__ import annotations

import json
from collections.abc import Iterator

from accounts.words import number
from incidents import exports_record as record
from incidents.contents import Content, of, rows_of
from incidents.markdown_pieces import (
    facts,
    figure,
    listed,
    moment,
    said_under,
    string,
    table,
    words,
)
from incidents.quoting import embedded, plain


def as_json(content: Content) -> str:
    """The whole content, indented; reading it gives the content again."""
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def markdown(content: Content) -> str:
    """The page as Markdown. Text from alerts, agents and people is quoted so that none of it acts."""
    return "\n".join(_lines(content)).rstrip() + "\n"


# -- the page, from top to bottom -------------------------------------------------------------------------------------
def _lines(content: Content) -> Iterator[str]:
    header = of(content, "header")
    yield f"# {plain(header.get('ref'))}: {plain(header.get('title'))}"
    yield ""
    yield from record.header(header)
    yield from _section(content, "summary")
    yield from record.timeline(content)
    yield from _inferences(content)
    yield from _variables(content)
    for name in ("impact", "detection", "root_cause"):
        yield from _section(content, name)
    yield from record.causes(content)
    yield from _factors(content)
    yield from _layers(content)
    yield from _ownership(content)
    yield from record.containment(content)
    yield from record.damage(content)
    yield from _friction(content)
    yield from _escapes(content)
    for name in ("resolution", "side_effects", "prevention"):
        yield from _section(content, name)
    yield from record.cases(content)
    yield from _actions(content)
    for name in ("customers", "lessons"):
        yield from _section(content, name)
    yield from record.similar(content)
    yield from record.evidence(content)


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
    for index, row in enumerate(rows_of(content, "inferences"), 1):
        yield from ("", f"## Inference {index}", "")
        version = of(row, "version_at_fault")
        if version:
            at_fault = f"{plain(version.get('bundle'))}@{plain(version.get('label'))}"
            yield from (f"Version at fault: {at_fault}", "")
        if row.get("trace_id"):
            span = f", span {plain(row['span_id'])}" if row.get("span_id") else ""
            yield from (f"Run: {plain(row.get('day'))} {plain(row['trace_id'])}{span}", "")
        for name, word in PROSE:
            if string(row.get(name)).strip():
                yield from (f"### {word}", "", embedded(row[name], 3), "")
        if row.get("spec"):
            yield from (f"The spec was {words(row['spec'])}.", "")
        for on, failed, tried in (("", "failures", "replays"), (" on the fix", "fixed_failures", "fixed_replays")):
            if row.get(tried):
                yield f"Failed{on} {number(figure(row.get(failed)))} of {number(figure(row[tried]))} times."
                yield ""


def _variables(content: Content) -> Iterator[str]:
    yield from table(
        "What moved",
        ("Variable", "Moved", "Before", "After", "Evidence"),
        (
            (row.get("label"), words(row.get("moved")), row.get("before"), row.get("after"), row.get("evidence"))
            for row in rows_of(content, "variables")
        ),
    )


def _factors(content: Content) -> Iterator[str]:
    rows = rows_of(content, "factors")
    if rows:
        yield from ("", "## Contributing factors", "")
    for index, row in enumerate(rows, 1):
        yield from (f"### Factor {index}, {words(row.get('confidence'))}", "")
        about = facts(("Layer", words(row.get("layer"))), ("Class", words(row.get("diagnosis"))))
        if about:
            yield from (f"{'. '.join(about)}.", "")
        yield from (embedded(string(row.get("text")), 3), "")
        yield from said_under("Evidence", row.get("evidence"))


def _layers(content: Content) -> Iterator[str]:
    yield from table(
        "Layers",
        ("Layer", "Finding", "Evidence", "Owner"),
        (
            (row.get("label"), words(row.get("finding")), row.get("evidence"), row.get("owner"))
            for row in rows_of(content, "layers")
        ),
    )


def _ownership(content: Content) -> Iterator[str]:
    owners = of(content, "ownership")
    said = (("made_by", "Made by"), ("reviewed_by", "Reviewed by"), ("next_owner", "Next owner"), ("path", "By way of"))
    lines = [f"{word}: {plain(owners.get(name)) or 'not said'}" for name, word in said]
    autonomy = words(content.get("autonomy")) or "not decided"
    yield from listed("Ownership", [*lines, f"What the agent may do alone: {autonomy}"])


def _friction(content: Content) -> Iterator[str]:
    told = of(content, "friction")
    lines = [
        f"{word}: {number(figure(told[name]))}"
        for name, word in (
            ("access_blocked_minutes", "Minutes without access"),
            ("false_acks", "False acknowledgements"),
        )
        if told.get(name) is not None
    ]
    slowed = string(told.get("slowed_by"))
    if lines or slowed.strip():
        yield from ("", "## What slowed the response", "", *(f"- {line}" for line in lines), "", embedded(slowed), "")


def _escapes(content: Content) -> Iterator[str]:
    rows = rows_of(content, "escapes")
    if rows:
        yield from ("", "## Why it got through", "")
    for row in rows:
        yield from (f"### {plain(row.get('label'))}", "")
        if row.get("verdict"):
            yield from (f"{words(row['verdict']).capitalize()}.", "")
        yield from (embedded(string(row.get("answer")), 3) or "Not answered.", "")


def _actions(content: Content) -> Iterator[str]:
    yield from table(
        "Actions",
        ("#", "Action", "Kind", "Owner", "Due", "How we will know", "Tracker", "State"),
        (
            (
                index,
                row.get("text"),
                row.get("label") or row.get("kind"),
                of(row, "owner").get("name"),
                row.get("due_on"),
                row.get("verification"),
                f"[tracker]({row['tracker_url']})" if row.get("tracker_url") else "",
                _state(row),
            )
            for index, row in enumerate(rows_of(content, "actions"), 1)
        ),
    )


def _state(row: Content) -> str:
    """Whether an action is open, done by whom, or dropped for what reason."""
    if row.get("done_at"):
        by = f" by {row['done_by']}" if row.get("done_by") else ""
        return f"done {moment(row['done_at'])}{by}"
    if row.get("dropped_at"):
        return f"dropped {moment(row['dropped_at'])}: {row.get('dropped_reason')}"
    return "open"


def _section(content: Content, name: str) -> Iterator[str]:
    section = of(of(content, "sections"), name)
    text = string(section.get("text"))
    if text.strip():
        draft = " (draft, check)" if section.get("draft") else ""
        yield from ("", f"## {plain(section.get('title') or name)}{draft}", "", embedded(text), "")
