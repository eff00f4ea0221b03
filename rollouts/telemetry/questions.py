"""The questions triage asks of telemetry, whoever keeps it.

Every answer is one of ``facts``. A run is one task of an agent: what the spans of one trace say together about one
bundle (a request that sends a single span is a run of one call). Spans that name no environment count as prod, as
alerts do.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Protocol

from rollouts.models import Deployment, Invocation
from rollouts.telemetry import changes, onset, reach
from rollouts.telemetry.facts import (
    Bucket,
    Change,
    Dimension,
    FailurePattern,
    FailureSummary,
    FirstFailure,
    HarmRate,
    Overview,
    Reach,
    RollbackWould,
    Sample,
    Shared,
    VersionSeen,
    Window,
)
from rollouts.telemetry.postgres import PostgresTelemetry

__all__ = [
    "Window",
    "changes_before",
    "failure_patterns",
    "failure_summary",
    "first_failure",
    "harm_rate",
    "overview",
    "rate_series",
    "rollback_would",
    "samples",
    "shared_by_failures",
    "spans_of",
    "versions_seen",
    "who",
]


class Telemetry(Protocol):
    """What a telemetry store must be able to tell. One implementation: PostgreSQL."""

    def failure_summary(self, window: Window) -> FailureSummary: ...
    def shared_by_failures(self, window: Window, limit: int) -> Shared: ...
    def failure_patterns(self, window: Window, limit: int) -> tuple[FailurePattern, ...]: ...
    def samples(
        self, window: Window, *, failed: bool | None, dimension: Dimension | None, value: str, limit: int, newest: bool
    ) -> tuple[Sample, ...]: ...
    def tally(self, window: Window, step: timedelta) -> tuple[FailureSummary, tuple[Bucket, ...]]: ...
    def rate_series(self, window: Window, step: timedelta) -> tuple[Bucket, ...]: ...
    def versions_seen(self, window: Window) -> tuple[VersionSeen, ...]: ...
    def models_seen(self, window: Window) -> tuple[tuple[str, str, datetime, int], ...]: ...
    def spans_of(self, day: date, trace_id: str) -> list[Invocation]: ...


telemetry: Telemetry = PostgresTelemetry()


def failure_summary(window: Window) -> FailureSummary:
    """How many runs, how many failed (R027)."""
    return telemetry.failure_summary(window)


def first_failure(window: Window) -> FirstFailure | None:
    """Where the trouble began; None when nothing failed in the window."""
    return onset.first_failure(telemetry, window, telemetry.rate_series(window, onset.step_of(window)))


def overview(window: Window) -> Overview:
    """Summary, series, first bad run and harm rate from two statements, for a page that shows them together."""
    step = onset.step_of(window)
    summary, series = telemetry.tally(window, step)
    return Overview(
        summary=summary,
        series=series,
        first_failure=onset.first_failure(telemetry, window, series) if summary.failed_runs else None,
        harm=onset.harm_rate(series, step, window),
    )


def shared_by_failures(window: Window, limit: int = 8) -> Shared:
    """What bad runs have in common that good ones have not (R028)."""
    return telemetry.shared_by_failures(window, limit)


def failure_patterns(window: Window, limit: int = 10) -> tuple[FailurePattern, ...]:
    """The ways in which runs failed, most frequent first, with an example each (R028)."""
    return telemetry.failure_patterns(window, limit)


def who(window: Window) -> Reach:
    """Which agents depend on the bundle, which systems consume it, and which of them are in trouble (R029, R030)."""
    return reach.reach(window)


def samples(
    window: Window,
    *,
    failed: bool | None = True,
    dimension: Dimension | None = None,
    value: str = "",
    limit: int = 20,
    newest: bool = True,
) -> tuple[Sample, ...]:
    """Runs to look at: bad, good (``failed=False``) or any (None), all or those that share ``value``."""
    return telemetry.samples(window, failed=failed, dimension=dimension, value=value, limit=limit, newest=newest)


def spans_of(day: date, trace_id: str) -> list[Invocation]:
    """Every call of one run, in the order they began, with attributes: for the drawer."""
    return telemetry.spans_of(day, trace_id)


def rate_series(window: Window, step: timedelta) -> tuple[Bucket, ...]:
    """Runs and failed runs per ``step``, without gaps, for a spark."""
    return telemetry.rate_series(window, step)


def harm_rate(window: Window, step: timedelta = timedelta(minutes=1)) -> HarmRate:
    """Bad runs per minute and whether they still grow."""
    return onset.harm_rate(telemetry.rate_series(window, step), step, window)


def versions_seen(window: Window) -> tuple[VersionSeen, ...]:
    """Which versions ran, for how many runs and conversations, since when (R039); most runs first."""
    return telemetry.versions_seen(window)


def changes_before(
    bundle_key: str, environment: str, before: datetime, *, lookback: timedelta = timedelta(days=21), limit: int = 20
) -> tuple[Change, ...]:
    """What changed before a moment, nearest first, at least three weeks back (R022–R024)."""
    return changes.changes_before(telemetry, bundle_key, environment, before, lookback=lookback, limit=limit)


def rollback_would(deployment: Deployment, since: datetime, until: datetime) -> RollbackWould | None:
    """Facts for the 30-second question (R032); None when nothing is active or there is nothing to go back to."""
    return changes.rollback_would(telemetry, deployment, since, until)
