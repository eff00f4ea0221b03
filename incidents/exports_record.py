"""What the record tells of an incident, as Markdown: times, causes, cases, containment, damage, evidence. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.words import milliseconds, number, percent
from incidents.contents import Content, of, rows_of
from incidents.markdown_pieces import facts, figure, lasting, listed, moment, names, words
from incidents.quoting import cell, plain

MOMENTS = (
    ("started", ""),
    ("detected", "to_detect"),
    ("acknowledged", "to_acknowledge"),
    ("contained", "to_contain"),
    ("recovered", "to_recover"),
    ("resolved", "to_resolve"),
)


def header(told: Content) -> Iterator[str]:
    """What it was, how it came to light, and when what happened."""
    times, lags = of(told, "times"), of(told, "lags")
    lines = facts(
        ("Severity", plain(told.get("severity"))),
        ("Kind", words(told.get("kind"))),
        ("Agent", plain(told.get("deployment"))),
        ("Came to light by", words(told.get("detection_source"))),
        ("Class", words(told.get("diagnosis"))),
        ("The same as", plain(told.get("repeat_of"))),
    )
    for name, lag in MOMENTS:
        after = f" (after {lasting(lags.get(lag))})" if lags.get(lag) is not None else ""
        lines.append(f"{name.capitalize()}: {moment(times.get(name)) or 'not known'}{after}")
    lines += facts(
        ("Owned by nobody for", lasting(told.get("unowned_seconds"))),
        ("Room", cell(f"[{told.get('ref')}]({told['url']})") if told.get("url") else ""),
    )
    yield from (f"- {line}" for line in lines)


def timeline(content: Content) -> Iterator[str]:
    """The key entries, each with who acted and whether that was a person."""
    actors = {"person": "person", "automation": "automation", "agent": "agent"}
    yield from listed(
        "Timeline",
        (
            f"{moment(row.get('at'))}, {plain(row.get('actor'))}"
            f" ({actors.get(str(row.get('actor_kind')), 'unknown')}): {plain(row.get('text'))}"
            for row in rows_of(content, "timeline")
        ),
    )


def causes(content: Content) -> Iterator[str]:
    """Why it happened, how sure that is, and the case that keeps it from coming back."""
    lines = []
    for row in rows_of(content, "causes"):
        note = f": {plain(row['note'])}" if row.get("note") else ""
        none = f" No case: {plain(row['no_case_reason'])}" if row.get("no_case_reason") else ""
        cases = f" Cases: {names(row, 'cases')}" if row.get("cases") else ""
        word = plain(row.get("label")) or words(row.get("origin"))
        lines.append(f"{word} ({words(row.get('confidence'))}){note}.{cases}{none}")
    yield from listed("Causes", lines)


def cases(content: Content) -> Iterator[str]:
    """The regression cases, k failures of n tries on each version."""
    lines = []
    for row in rows_of(content, "cases"):
        tried = "; ".join(
            f"{plain(each.get('version'))} failed {number(figure(each.get('failed')))} of"
            f" {number(figure(each.get('tries')))}"
            for each in rows_of(row, "tried")
        )
        about = f"{plain(row.get('key'))} in {plain(row.get('set'))}, {words(row.get('check'))}"
        lines.append(f"{plain(row.get('title'))} ({about}): {tried or 'not tried yet'}")
    yield from listed("Regression cases", lines)


def containment(content: Content) -> Iterator[str]:
    """Which version was at fault, what moved in it, and how it was taken back or stopped."""
    bundle = of(content, "bundle")
    lines = facts(("Agent", plain(bundle.get("deployment"))))
    for name, word in (("from", "At fault"), ("to", "Good")):
        version = of(bundle, name)
        if version:
            lines.append(f"{word}: {_version(version)} (digest {plain(str(version.get('digest'))[:12])})")
    moved = ", ".join(filter(None, [plain(bundle.get("summary")), names(bundle, "parts")]))
    lines += facts(
        ("Moved", moved),
        ("Diff", cell(f"[what differs]({bundle['diff_url']})") if bundle.get("diff_url") else ""),
    )
    for rollback in rows_of(content, "rollbacks"):
        lines += _rollback(rollback)
    lines += [_stop(stop) for stop in rows_of(content, "stops")]
    yield from listed("Bundle and containment", lines)


def _version(version: Content) -> str:
    found = f"{plain(version.get('bundle'))}@{plain(version.get('label'))}"
    return f"{found}, number {plain(version['number'])}" if version.get("number") is not None else found


def _rollback(row: Content) -> Iterator[str]:
    took, fetched = milliseconds(figure(row.get("committed_ms"))), of(row, "propagation")
    yield (
        f"Rolled back {_version(of(row, 'from'))} → {_version(of(row, 'to'))} at {moment(row.get('flipped_at'))}"
        f"{_by(row)}, decided at {moment(row.get('decided_at'))}, committed in {took}{_why(row)}"
    )
    if row.get("in_flight_policy"):
        yield f"What was in flight: {words(row['in_flight_policy'])}"
    if fetched:
        within = ", ".join(
            f"{word} {milliseconds(figure(fetched.get(name)))}"
            for name, word in (("p50_ms", "half within"), ("p95_ms", "95 % within"), ("max_ms", "all within"))
        )
        reached, of_all = number(figure(fetched.get("reached"))), number(figure(fetched.get("instances")))
        yield f"Fetched by {reached} of {of_all} instances: {within}"
    for leg in rows_of(row, "legs"):
        closed = f" at {moment(leg['closed_at'])}" if leg.get("closed_at") else ""
        by = f" by {plain(leg['by'])}" if leg.get("by") else ""
        said = f". {plain(leg['sentence'])}" if leg.get("sentence") else ""
        yield f"Leg {plain(leg.get('label'))}: {words(leg.get('state'))}{by}{closed}{_why(leg)}{said}"


def _stop(row: Content) -> str:
    released = f", released at {moment(row['released_at'])}" if row.get("released_at") else ""
    gets = f". Customers got: {plain(row['fallback'])}" if row.get("fallback") else ""
    return (
        f"Stopped {plain(row.get('scope'))} at {moment(row.get('engaged_at'))}{_by(row)},"
        f" decided at {moment(row.get('decided_at'))}{released}{_why(row)}{gets}"
    )


def _by(row: Content) -> str:
    kind = f" ({words(row['by_kind'])})" if row.get("by_kind") else ""
    return f" by {plain(row.get('by'))}{kind}"


def _why(row: Content) -> str:
    return f": {plain(row['reason'])}" if row.get("reason") else ""


def damage(content: Content) -> Iterator[str]:
    """Who was reached, how long containing took, and what that cost at the least."""
    told, impact = of(content, "damage"), of(content, "impact")
    runs, exposure = of(impact, "runs"), of(impact, "exposure")
    unit = plain(told.get("unit")) or "effects"
    lines = [f"Alerts: {number(figure(impact.get('alerts')))}"]
    if runs:
        lines.append(
            f"Runs failed: {_count(runs, 'failed')} of {_count(runs, 'total')},"
            f" from {moment(runs.get('since'))} to {moment(runs.get('until'))}"
        )
    if exposure:
        lines += _exposure(exposure)
    if told.get("rate_per_second") is not None:
        lines.append(f"Damage per second: {number(figure(told['rate_per_second']), 2)} {unit}")
    lines += facts(
        ("Cannot be borne after", lasting(told.get("blast_seconds"))),
        ("Decided to contain", moment(told.get("decided_at"))),
        ("Last effect", moment(told.get("last_effect_at"))),
        ("From the decision to the last effect", lasting(told.get("latency_seconds"))),
    )
    if told.get("runs_after_decision") is not None:
        failed = _count(told, "failed_runs_after_decision")
        lines.append(f"Runs after the decision: {_count(told, 'runs_after_decision')}, {failed} of them failed")
    if told.get("minimum_damage") is not None:
        lines.append(f"Damage at the least: {number(figure(told['minimum_damage']), 1)} {unit}")
    lines.append(f"Containment: {words(told.get('verdict')) or 'not measured'}")
    yield from listed("Damage", lines)


def _exposure(row: Content) -> Iterator[str]:
    yield (
        f"Exposure: {_count(row, 'runs')} runs of {plain(row.get('version'))} in {_count(row, 'conversations')}"
        f" conversations, {percent(figure(row.get('share_of_runs')))} of all, {_count(row, 'failed_runs')} failed,"
        f" from {moment(row.get('first_at'))} to {moment(row.get('last_at'))}"
    )
    yield from facts(
        ("Received it", names(row, "regions_reached")), ("Never received it", names(row, "regions_never_reached"))
    )
    for call in rows_of(row, "tool_calls_not_undone"):
        yield f"Not undone: {_count(call, 'calls')} calls of {plain(call.get('tool'))}"


def _count(row: Content, name: str) -> str:
    return number(figure(row.get(name)))


def similar(content: Content) -> Iterator[str]:
    """Earlier incidents written up the same way, or said to be the same."""
    yield from listed(
        "Similar incidents",
        (
            f"{plain(row.get('ref'))}: {plain(row.get('title'))}, {moment(row.get('at'))}"
            f" ({', '.join(filter(None, [words(row.get('diagnosis')), words(row.get('layer'))]))})"
            for row in rows_of(content, "similar")
        ),
    )


def evidence(content: Content) -> Iterator[str]:
    """What stands behind each claim, in one place."""
    yield from listed("Evidence", (_piece(row) for row in rows_of(content, "evidence")))


def _piece(row: Content) -> str:
    text: Any = row.get("text") or row.get("url")
    opens = cell(f"[{text}]({row['url']})") if row.get("url") else cell(text)
    return f"{words(row.get('claim'))}, {words(row.get('kind'))}: {opens}"
