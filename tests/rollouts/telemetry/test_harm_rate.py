"""Whether the harm still grows: what the Contain panel says right before and right after a press."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollouts.telemetry.facts import Bucket, Window
from rollouts.telemetry.onset import harm_rate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
STEP = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("counts", "rising"),
    [
        ([0] * 58 + [100, 210], True),
        ([0] * 57 + [210, 210, 210], True),
        ([0] * 56 + [210, 210, 60, 15], False),
        ([0] * 54 + [210, 210, 60, 15, 15, 15], False),
        ([15] * 60, False),
        ([0] * 60, False),
    ],
    ids=[
        "just begun",
        "steady since it began",
        "pressed half a minute ago",
        "pressed two minutes ago",
        "as ever",
        "none",
    ],
)
def test_harm_rises_until_it_is_contained(counts: list[int], rising: bool) -> None:
    series = [Bucket(NOON + place * STEP, 400, failed) for place, failed in enumerate(counts)]
    window = Window("customer-service", "prod", NOON, NOON + len(counts) * STEP)
    assert harm_rate(series, STEP, window).still_rising is rising
