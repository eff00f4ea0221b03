"""What a bump will cost in cached prefixes: tokens that are read from the provider's cache today (R190).

A cached prefix is the beginning of a request, byte for byte: another prompt, other tools or another model share none
of it with what is cached, so from the flip on every prefix is read at full price once, until the new one is cached.
"""

# ruff: noqa: S608 (what is put into the statement are expressions of this package)
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rollouts.models import BundleVersion
from rollouts.telemetry.facts import Window
from rollouts.telemetry.postgres import WITHIN, parameters, rows_of

#: What is looked at to say how it is now.
LOOKED_BACK = timedelta(hours=24)
#: How long providers keep a prefix that nobody asks for again: after so long without hits all of it has been re-read.
COLD = timedelta(minutes=5)
#: The parts that stand in the prefix of a request.
PREFIX = ("prompt", "tools", "model")

STATEMENT = f"""
    SELECT count(*), sum(input_tokens), sum(cache_read_tokens), min(at), max(at)
    FROM rollouts_invocation WHERE {WITHIN} AND input_tokens IS NOT NULL AND cache_read_tokens IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of prod: ``calls`` that told their tokens, the share of their input that came from the cache, and what a cold
    cache adds at most: ``extra_tokens`` over the first :data:`COLD`."""

    parts: tuple[str, ...]
    calls: int
    input_tokens: int
    cached_tokens: int
    extra_tokens: int
    environment: str

    @property
    def cached_share(self) -> float:
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0


def forecast(old: BundleVersion, new: BundleVersion, at: datetime, environment: str = "prod") -> Forecast | None:
    """None when nothing in the prefix moves, or when no call of the last 24 hours has told of its cache."""
    moved = tuple(part for part in PREFIX if old.part_digests.get(part) != new.part_digests.get(part))
    if not moved:
        return None
    window = Window(new.bundle.key, environment, at - LOOKED_BACK, at)
    ((calls, told, cached, first, last),) = rows_of(STATEMENT, parameters(window))
    if not calls or not cached:
        return None
    seconds = max((last - first).total_seconds(), COLD.total_seconds())
    extra = round(float(cached) * COLD.total_seconds() / seconds)
    return Forecast(moved, calls, int(told), int(cached), extra, environment)
