"""When did it begin, and does it still grow: reading a series of runs and failed runs. Pure but for two questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from rollouts.telemetry.facts import Bucket, FirstFailure, HarmRate, Window

if TYPE_CHECKING:
    from rollouts.telemetry.questions import Telemetry

STEPS = 120
#: A rise counts when it explains the runs this much better than no rise (natural log of the likelihood ratio; by
#: chance about one window in a hundred reaches it), and failures are half as frequent again as before.
LEAST_GAIN = 6.0
LEAST_RATIO = 1.5


def step_of(window: Window) -> timedelta:
    """A hundred-and-twentieth of the window, at least a second."""
    return max((window.until - window.since) / STEPS, timedelta(seconds=1))


def first_failure(telemetry: Telemetry, window: Window, series: Sequence[Bucket]) -> FirstFailure | None:
    """The first bad run of the rise when there is one, else the earliest bad run in the window.

    Agents fail a little all the time, so the earliest bad run of a window says nothing about what broke.
    """
    at = rise(series)
    start = window.since if at is None else series[at].at
    found = telemetry.samples(
        replace(window, since=start), failed=True, dimension=None, value="", limit=1, newest=False
    )
    if not found:
        return None
    if at is None:
        return FirstFailure(found[0], rose=False, share_before=None, share_since=None)
    return FirstFailure(found[0], rose=True, share_before=share(series[:at]), share_since=share(series[at:]))


def share(series: Sequence[Bucket]) -> float | None:
    total = sum(bucket.total_runs for bucket in series)
    return sum(bucket.failed_runs for bucket in series) / total if total else None


def rise(series: Sequence[Bucket]) -> int | None:
    """The index at which the failed share rose the most clearly; None when no rise is beyond chance.

    Every cut in two is tried; the one that explains the runs best wins.
    """
    total = sum(bucket.total_runs for bucket in series)
    failed = sum(bucket.failed_runs for bucket in series)
    steady = _likelihood(total, failed)
    best, best_gain = None, LEAST_GAIN
    runs_before = failed_before = 0
    for index, bucket in enumerate(series):
        runs_after, failed_after = total - runs_before, failed - failed_before
        if (
            runs_before
            and bucket.failed_runs
            and failed_after / runs_after >= LEAST_RATIO * failed_before / runs_before
        ):
            gain = _likelihood(runs_before, failed_before) + _likelihood(runs_after, failed_after) - steady
            if gain > best_gain:
                best, best_gain = index, gain
        runs_before += bucket.total_runs
        failed_before += bucket.failed_runs
    return best


def _likelihood(runs: int, failed: int) -> float:
    good = runs - failed
    return sum(count * math.log(count / runs) for count in (failed, good) if count)


def harm_rate(series: Sequence[Bucket], step: timedelta, window: Window) -> HarmRate:
    """Bad runs per minute over a tenth of the series at its beginning and end (at least one step), and its peak.

    It still rises when the last tenth is above the tenth before it by more than chance (two standard errors), and
    its newest step is not below the worst of these by as much: what was contained a minute ago is rising no more.
    """
    minutes = step.total_seconds() / 60
    whole = [bucket for bucket in series if bucket.at + step <= window.until] or list(series)
    if not whole:
        return HarmRate(0.0, 0.0, 0.0, False, tuple(series))
    width = max(1, len(whole) // 10)
    counts = [bucket.failed_runs for bucket in whole]
    now, earlier = sum(counts[-width:]), sum(counts[-2 * width : -width])
    worst = max(counts[-2 * width :])
    return HarmRate(
        per_minute_before=sum(counts[:width]) / (width * minutes),
        per_minute_peak=max(counts) / minutes,
        per_minute_now=now / (width * minutes),
        still_rising=_above(now, earlier) and not _above(worst, counts[-1]),
        series=tuple(series),
    )


def _above(one: int, other: int) -> bool:
    """Whether one count is above the other by more than two standard errors of their difference."""
    return one - other > 2 * math.sqrt(one + other)
