"""What stored telemetry shows of the bad runs, beside what our own record says had changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from accounts.words import duration, number, percent
from incidents.models import Incident
from incidents.operations.window import window_of
from incidents.views.visit import Visit
from rollouts.shared import dependents
from rollouts.telemetry import questions
from rollouts.telemetry.facts import Bucket, Change, ChangeKind, Difference, Dimension, FirstFailure, Shared, Window

SILENT = timedelta(minutes=1)  # without a run for so long, nobody can say that the harm has ended
LATELY = timedelta(minutes=10)  # of which the last minute is "now"
LOOKED_BACK = timedelta(days=21)
TRIAGE_TIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Group:
    """One value bad runs have more often than good ones, and the address that shows only those runs."""

    difference: Difference
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change with the page that shows it, when there is one."""

    change: Change
    distance: str
    url: str


def evidence(visit: Visit) -> dict[str, Any]:
    """Total, failed, rate; where it began; what changed just before; what bad runs share; some of them."""
    incident, deployment = visit.incident, visit.incident.deployment
    if deployment is None:
        return {"evidence": None, "no_evidence": "Say which agent this is about; then its runs are counted here."}
    window = window_of(incident, deployment, visit.at)
    series = questions.rate_series(window, step_of(window.until - window.since))
    total = sum(bucket.total_runs for bucket in series)
    failed = sum(bucket.failed_runs for bucket in series)
    began = questions.first_failure(window) if failed else None
    before = began.at if began else incident.started_at or incident.opened_at
    common = questions.shared_by_failures(window) if failed else None
    dimension, value = chosen(visit)
    samples = questions.samples(window, dimension=dimension, value=value, limit=8) if failed else ()
    changes = questions.changes_before(window.bundle_key, window.environment, before, lookback=LOOKED_BACK, limit=8)
    return {
        "evidence": {
            "url": f"{reverse('incidents:step', args=[incident.ref, 'triage'])}?{kept(dimension, value)}",
            "window": window,
            "total": total,
            "failed": failed,
            "rate": failed / total if total else None,
            "points": drawn(series),
            "caption": caption(failed, total, began),
            "mark": before if began else None,
            "first": began,
            "looked_back": LOOKED_BACK,
            "changes": [shown(change, before) for change in changes],
            "shared": common,
            "baseline": baseline(common),
            "groups": groups(incident, common, dimension, value),
            "samples": samples,
            "patterns": questions.failure_patterns(window, 6) if failed else (),
            "who": questions.who(window) if failed else None,
            "shared_prompt": dependents(deployment.active) if failed and deployment.active else None,
            "chosen": f"{dimension.value} = {value}" if dimension else "",
            "all_url": reverse("incidents:step", args=[incident.ref, "triage"]),
        },
        "would": questions.rollback_would(deployment, window.since, window.until),
    }


def step_of(length: timedelta) -> timedelta:
    """How finely to ask: five seconds in the first hour, then coarser; :func:`drawn` joins what is too fine to draw."""
    return max(timedelta(seconds=5), length / 720)


def drawn(series: tuple[Bucket, ...], most: int = 60) -> list[tuple[datetime, float | None]]:
    """Failed shares for a spark: without what lies before and after the first and last run, at most ``most`` points."""
    known = [index for index, bucket in enumerate(series) if bucket.total_runs]
    if not known:
        return []
    shown = series[known[0] : known[-1] + 1]
    width = -(-len(shown) // most)
    points: list[tuple[datetime, float | None]] = []
    for start in range(0, len(shown), width):
        part = shown[start : start + width]
        total = sum(bucket.total_runs for bucket in part)
        points.append((part[0].at, sum(bucket.failed_runs for bucket in part) / total if total else None))
    return points


def caption(failed: int, total: int, began: FirstFailure | None) -> str:
    """The finding in one sentence."""
    if not total:
        return "No run is known in this window."
    if began and began.rose:
        return f"Failures rose from {percent(began.share_before)} to {percent(began.share_since)}."
    return f"{number(failed)} of {number(total)} runs failed; no clear rise within the window."


def chosen(visit: Visit) -> tuple[Dimension | None, str]:
    """The group whose runs are shown, from ``?by=region&is=eu``."""
    name, value = visit.request.GET.get("by", ""), visit.request.GET.get("is", "")[:200]
    return (Dimension(name), value) if name in Dimension.values and value else (None, "")


def kept(dimension: Dimension | None, value: str) -> str:
    """The query string of a choice; ``evidence=1`` has a page show the evidence without script."""
    return urlencode({"evidence": 1} | ({"by": dimension.value, "is": value} if dimension else {}))


def groups(incident: Incident, shared: Shared | None, dimension: Dimension | None, value: str) -> list[Group]:
    """Differences as links that filter the runs below."""
    url = reverse("incidents:step", args=[incident.ref, "triage"])
    return [
        Group(each, f"{url}?{kept(each.dimension, each.value)}", (each.dimension, each.value) == (dimension, value))
        for each in (shared.differences if shared else ())
    ]


def baseline(shared: Shared | None) -> str:
    """A sentence when there are too few good runs to compare with; empty when there are enough."""
    if shared is None or shared.has_baseline:
        return ""
    return f"No baseline: {number(shared.good_runs)} good runs in this window, too few to compare with."


def shown(change: Change, moment: datetime) -> ChangeView:
    """A change, how far it lies from ``moment``, and its page: the diff of the two versions where both are known."""
    url = ""
    if change.from_label and change.to_label and change.from_label != change.to_label:
        url = reverse("rollouts:diff", args=[change.bundle_key, change.from_label, change.to_label])
    elif change.kind == ChangeKind.DRIFT:
        url = f"{reverse('rollouts:bundle', args=[change.bundle_key])}#drift"
    after = change.at - moment
    seconds = after.total_seconds()
    return ChangeView(change, f"{duration(abs(after))} {'after' if seconds >= 1 else 'before'}", url)


def harm(visit: Visit) -> dict[str, Any]:
    """Bad runs per minute, and whether they still grow."""
    deployment = visit.incident.deployment
    if deployment is None:
        return {"harm": None}
    until = visit.at.replace(microsecond=0)
    until -= timedelta(seconds=until.second % 5)  # so that looking again at once shows the same
    window = Window(deployment.bundle.key, deployment.environment_id, until - LATELY, until)
    rate = questions.harm_rate(window, timedelta(seconds=10))
    if not any(bucket.total_runs for bucket in rate.series):
        return {"harm": None}
    word = "still rising" if rate.still_rising else "gone" if rate.per_minute_now == 0 else "not rising"
    heard = max(bucket.at for bucket in rate.series if bucket.total_runs)
    if until - heard > SILENT:
        word = f"not known: no run for {duration(until - heard)}"
    told = f"{rate.per_minute_before:.0f} → {rate.per_minute_now:.0f}, peak {rate.per_minute_peak:.0f}, {word}"
    return {
        "harm": {
            "line": f"bad runs per minute {told}",
            "rising": rate.still_rising,
            "points": drawn(rate.series),
            "caption": finding(rate.series, word),
            "mark": visit.incident.contained_at,
        }
    }


def finding(series: tuple[Bucket, ...], word: str) -> str:
    """What the spark of the harm shows."""
    failed = sum(bucket.failed_runs for bucket in series)
    total = sum(bucket.total_runs for bucket in series)
    return f"{number(failed)} of {number(total)} runs failed in the last 10 minutes; the harm is {word}."
