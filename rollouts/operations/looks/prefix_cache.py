"""What a cold prefix cache will cost, as the stored model calls of this agent let us expect."""

# ruff: noqa: S608 (what is put into the statement is of this package)
from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import SupportsFloat

from rollouts.models import LegEvidence, RollbackLeg
from rollouts.operations.looks.base import WITHIN, Found, Look, rows, within

#: Model calls of so long before the flip are compared.
COMPARED = timedelta(hours=24)
#: For so long after it a spike of latency or cost is what was to be expected (R026).
EXPECTED = timedelta(hours=1)
#: What an alert's metric is called when a cold cache can be its cause.
METRICS = re.compile(r"latenc|duration|response.?time|ttft|time.to.first|cost|spend|price|token|cache|p9[59]", re.I)
#: Warm: at least this share of the input was read from the cache. Cold: none of it.
STATEMENT = f"""
    SELECT count(*), count(cache_read_tokens), avg(input_tokens), avg(cache_read_tokens),
        count(*) FILTER (WHERE warm), count(*) FILTER (WHERE cold),
        avg(duration_ms) FILTER (WHERE warm), avg(duration_ms) FILTER (WHERE cold),
        avg(cost_usd) FILTER (WHERE warm), avg(cost_usd) FILTER (WHERE cold)
    FROM (
        SELECT *, cache_read_tokens = 0 AS cold, input_tokens > 0 AND cache_read_tokens >= input_tokens * 0.2 AS warm
        FROM rollouts_invocation WHERE {WITHIN} AND input_tokens IS NOT NULL
    ) AS call"""


def look(leg: RollbackLeg, at: datetime) -> Look:
    """The forecast, and until when a spike is labelled as expected."""
    flipped = leg.rollback.flipped_at
    ((calls, told, tokens, read, warm, cold, warm_ms, cold_ms, warm_cost, cold_cost),) = rows(
        STATEMENT, within(leg, flipped - COMPARED, flipped)
    )
    slower, dearer = _more(warm_ms, cold_ms), _more(warm_cost, cold_cost)
    until = flipped + EXPECTED
    data = {
        "calls": calls,
        "calls_that_tell_of_their_cache": told,
        "mean_input_tokens": _number(tokens),
        "mean_cache_read_tokens": _number(read),
        "warm_calls": warm,
        "cold_calls": cold,
        "latency_percent": slower,
        "cost_percent": dearer,
        "expected_until": until.isoformat(),
    }
    source = f"stored telemetry: {told} of {calls} model calls in the 24 h before the flip tell of their cache"
    if not told or not read:
        text = "No stored model call read from a prefix cache in the 24 h before the flip, so there is no forecast."
        return Look([Found("count", text, data=data, source=source)])
    parts = [f"Each call had {read:.0f} of {tokens:.0f} input tokens from the cache; a cold call reads them anew"]
    if slower is not None:
        parts.append(f"takes {slower:+d} % time")
    if dearer is not None:
        parts.append(f"costs {dearer:+d} %")
    if slower is None and dearer is None:
        parts.append("how much slower or dearer no stored pair of calls shows")
    text = f"{', '.join(parts)}. Until {until:%H:%M} UTC a spike of latency or cost is an expected cache miss."
    return Look([Found("forecast", text, int(read), data, source)])


def expected(deployment_id: int, metric: str, at: datetime) -> LegEvidence | None:
    """The forecast that explains a spike of ``metric`` at that moment; None when none does (R026)."""
    if not METRICS.search(metric):
        return None
    return (
        LegEvidence.objects.filter(
            kind="forecast",
            leg__kind="prefix_cache",
            leg__rollback__deployment=deployment_id,
            leg__rollback__flipped_at__lte=at,
            leg__rollback__flipped_at__gt=at - EXPECTED,
        )
        .select_related("leg__rollback")
        .defer("leg__rollback__from_version__body")
        .order_by("-pk")
        .first()
    )


def _more(warm: SupportsFloat | None, cold: SupportsFloat | None) -> int | None:
    """By how many percent cold is above warm; None where one of them is not known."""
    if warm is None or cold is None or not float(warm):
        return None
    return round((float(cold) / float(warm) - 1) * 100)


def _number(value: SupportsFloat | None) -> float | None:
    return None if value is None else round(float(value), 1)
