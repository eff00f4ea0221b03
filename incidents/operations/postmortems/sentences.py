"""What the record says, in words: the texts a postmortem begins with. Numbers link to where they can be seen."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse

from accounts.words import milliseconds, number, percent
from incidents.models import Incident, Layer, Origin
from incidents.operations.postmortems.record import Moves, Runs
from rollouts.diff import BundleDiff
from rollouts.models import BundleVersion, RollbackLeg

#: Where a fault of each origin usually sits; where it could be anywhere nothing is said.
LAYERS: dict[str, Layer] = {
    Origin.MODEL_UPDATE: Layer.MODEL,
    Origin.ALIAS_DRIFT: Layer.MODEL,
    Origin.PARAMETER_CHANGE: Layer.MODEL,
    Origin.SERVING_ROUTE: Layer.MODEL,
    Origin.PROMPT_CHANGE: Layer.INSTRUCTION,
    Origin.CONSUMER_SCHEMA_CHANGE: Layer.TOOLS,
    Origin.DOWNSTREAM_TOOL: Layer.TOOLS,
    Origin.RETRIEVAL_CHANGE: Layer.CONTEXT,
    Origin.INPUT_SHIFT: Layer.CONTEXT,
    Origin.DATA_CORRUPTION: Layer.CONTEXT,
    Origin.PARTIAL_BUNDLE: Layer.GOVERNANCE,
    Origin.HOT_EDIT: Layer.GOVERNANCE,
    Origin.PERMISSIONS: Layer.PERMISSIONS,
}


def summary(incident: Incident, moves: Moves, runs: Runs | None, moved: BundleDiff | None) -> str:
    """What happened, in a paragraph."""
    about = f"`{incident.deployment}`" if incident.deployment else "an agent nobody has named yet"
    began = incident.started_at or incident.opened_at
    lines = [f"{incident.title.rstrip('.')}, in {about}, from {_moment(began)}."]
    if moves.bad is not None and moves.good is not None:
        what = moved.summary if moved is not None else ""
        lines.append(f"{_versions(moves.good, moves.bad)} had moved: {what.rstrip('.')}.")
        if moved is not None and moved.behaviour_unchanged:
            lines.append("No part of the bundle moved: look at the model served, the documents and what users wrote.")
    if runs is not None and runs.summary.total_runs:
        lines.append(_failed(incident, runs))
    lines += [_rolled_back(rollback.to_version.label, rollback.flipped_at) for rollback in moves.rollbacks]
    lines += [f"Stopped ({stop.kill_switch.scope}) at {_moment(stop.engaged_at)}." for stop in moves.stops]
    return " ".join(lines)


def impact(incident: Incident, moves: Moves, runs: Runs | None) -> str:
    """Alerts, runs, exposure and where it never ran, as a list."""
    alerts = incident.alerts.count()
    lines = []
    if alerts:
        lines.append(f"[{number(alerts)} alert{'s' if alerts != 1 else ''}]({_step(incident, 'detect')})")
    if runs is not None and runs.summary.total_runs:
        lines.append(_failed(incident, runs))
    if runs is not None and runs.bad is not None and moves.bad is not None:
        bad = runs.bad
        lines.append(
            f"Exposure: [{number(bad.runs)} runs in {number(bad.conversations)} conversations]"
            f"({_step(incident, 'triage')}) saw {moves.bad.label}, {percent(bad.share_of_runs)} of all,"
            f" from {_moment(bad.first_at)} to {_moment(bad.last_at)}"
        )
    if runs is not None and runs.regions_spared and runs.regions_reached:
        spared, reached = ", ".join(runs.regions_spared), ", ".join(runs.regions_reached)
        lines.append(f"Never received the bad version: {spared}. Received it: {reached}")
    return "\n".join(f"- {line.rstrip('.')}." for line in lines)


def resolution(incident: Incident, moves: Moves) -> str:
    """What was done, leg by leg, with who waived what."""
    lines = []
    for rollback in moves.rollbacks:
        took = milliseconds(rollback.committed_ms)
        text = f"Rolled back {_versions(rollback.from_version, rollback.to_version)} at {_moment(rollback.flipped_at)}"
        lines.append(f"{text}, by {rollback.actor_label}, committed in [{took}]({_step(incident, 'contain')})")
        lines += [f"  {_leg(leg)}" for leg in rollback.legs.all()]
    for stop in moves.stops:
        released = f", released at {_moment(stop.released_at)}" if stop.released_at else ""
        lines.append(f"Stopped {stop.kill_switch.scope} at {_moment(stop.engaged_at)}, by {stop.actor_label}{released}")
    lines += [f"{entry.text} ({_moment(entry.at)})" for entry in incident.timeline.filter(kind="promotion").reverse()]
    if incident.resolution:
        lines.append(incident.resolution)
    return "\n".join(_item(line) for line in lines)


def side_effects(incident: Incident, runs: Runs | None) -> str:
    """What the bad version did that no rollback takes back (R071)."""
    if runs is None or not runs.tool_calls:
        return ""
    made = "\n".join(
        f"- [{number(calls)} calls of `{tool}`]({_step(incident, 'triage')}) succeeded. Repaired by: "
        for tool, calls in runs.tool_calls
    )
    return f"Rolling back undid none of these:\n\n{made}"


def _failed(incident: Incident, runs: Runs) -> str:
    found = runs.summary
    counted = f"{number(found.failed_runs)} of {number(found.total_runs)} runs"
    between = f"between {_moment(runs.window.since)} and {_moment(runs.window.until)}"
    return f"[{counted}]({_step(incident, 'triage')}) failed ({percent(found.failed_share)}) {between}."


def _rolled_back(label: str, at: datetime) -> str:
    return f"Rolled back to {label} at {_moment(at)}."


def _leg(leg: RollbackLeg) -> str:
    said = f"{leg.get_kind_display()}: {leg.get_state_display().lower()}"
    if leg.closed_by_label:
        said += f" by {leg.closed_by_label}"
    reason = leg.reason or (leg.sentence if leg.state == RollbackLeg.State.NOT_APPLICABLE else "")
    return f"{said}. {reason}" if reason else said


def _versions(old: BundleVersion, new: BundleVersion) -> str:
    """Both labels, linked to what differs between them."""
    return f"[{old.label} → {new.label}]({diff_path(old, new)})"


def diff_path(old: BundleVersion, new: BundleVersion) -> str:
    """The page that shows what moved from one version to another."""
    return reverse("rollouts:diff", args=[new.bundle.key, old.label, new.label])


def _step(incident: Incident, step: str) -> str:
    return reverse("incidents:step", args=[incident.ref, step])


def _moment(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC on {at:%d %B %Y}"


def _item(line: str) -> str:
    """A list item; what is indented belongs to the item above."""
    inner = line.strip().rstrip(".").replace("\n", " ")
    return f"    - {inner}." if line.startswith("  ") else f"- {inner}."
