"""The fleet's own monitor: the rate over a rolling window, one alert rule, and its webhook body. Pure."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollouts.practice.scenarios import Scenario
from rollouts.practice.spans import ENVIRONMENT

THRESHOLD = 0.95
#: Fewer answers than this in the window are no data, hence neither good nor bad.
LEAST = 30


class Window:
    """Good and bad answers of the last ``seconds``, by a clock the caller reads."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._answers: deque[tuple[float, bool]] = deque()
        self._good = 0

    def add(self, good: bool, at: float) -> None:
        self._answers.append((at, good))
        self._good += good

    def rate(self, at: float) -> float | None:
        """Good ÷ all; None where there is too little to say."""
        while self._answers and self._answers[0][0] <= at - self.seconds:
            self._good -= self._answers.popleft()[1]
        return self._good / len(self._answers) if len(self._answers) >= LEAST else None


@dataclass(slots=True)
class Rule:
    """Fires when the rate was below the threshold for ``bad_for`` seconds, resolves after ``good_for`` above it.

    No data changes nothing. ``firing_since`` is a wall-clock time: it identifies the alert across restarts.
    """

    bad_for: float
    good_for: float
    firing_since: datetime | None = None
    _turned_at: float | None = None

    def look(self, rate: float | None, at: float, now: datetime) -> str | None:
        """ "firing" or "resolved" at the moment it turns, else None. ``at`` is monotonic, ``now`` for people."""
        if rate is None:
            return None
        firing = self.firing_since is not None
        if (rate < THRESHOLD) == firing:
            self._turned_at = None
            return None
        if self._turned_at is None:
            self._turned_at = at
        if at - self._turned_at < (self.good_for if firing else self.bad_for):
            return None
        self._turned_at = None
        self.firing_since = None if firing else now
        return "resolved" if firing else "firing"


def webhook(
    status: str,
    *,
    scenario: Scenario,
    started_at: datetime,
    now: datetime,
    rate: float,
    window: float,
    label: str,
    base_url: str,
    told: str = "",
) -> dict[str, Any]:
    """An Alertmanager v4 notification of this alert; ``told`` is a sentence of what else is known."""
    labels = {
        "alertname": scenario.alert,
        "agent": scenario.agent,
        "variant": scenario.variant,
        "environment": ENVIRONMENT,
        "severity": "high",
        "monitor": "practice",
    }
    percent = f"{rate * 100:.0f} %"
    summary = f"{scenario.measures} of {scenario.key} is {percent}, below {THRESHOLD * 100:.0f} %"
    if status == "resolved":
        summary = f"{scenario.measures} of {scenario.key} is back at {percent}"
    annotations = {
        "summary": summary,
        "description": told or f"{scenario.measures} over the fleet's own answers.",
        "reference": scenario.reference(label),
        "metric": scenario.metric,
        "comparator": "<",
        "threshold": f"{THRESHOLD:.2f}",
        "value": f"{rate:.2f}",
        "window": f"{window:.0f} s",
    }
    started = started_at.astimezone(UTC).isoformat()
    fingerprint = hashlib.sha256(f"{sorted(labels.items())} {started}".encode()).hexdigest()[:16]
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{labels["alertname"]}", agent="{scenario.key}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "lastgood",
        "groupLabels": {"alertname": labels["alertname"], "agent": scenario.agent, "variant": scenario.variant},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": base_url,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": started,
                "endsAt": now.astimezone(UTC).isoformat() if status == "resolved" else "0001-01-01T00:00:00Z",
                "generatorURL": f"{base_url}/fleet/{scenario.key}/",
                "fingerprint": fingerprint,
            }
        ],
    }
