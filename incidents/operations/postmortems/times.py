"""When what happened, and how long it took: seconds between the moments of an incident."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from incidents.answers import moment
from incidents.models import Acknowledgement, Incident


def times(incident: Incident) -> dict[str, Any]:
    """The moments; ``started`` is when the harm began as far as known, ``detected`` when we were told."""
    return {
        "started": moment(incident.started_at),
        "detected": moment(incident.opened_at),
        "acknowledged": moment(incident.acknowledged_at),
        "contained": moment(incident.contained_at),
        "recovered": moment(incident.recovered_at),
        "resolved": moment(incident.resolved_at),
    }


def lags(incident: Incident) -> dict[str, float | None]:
    """Seconds: to detect from the start, to everything else from the detection."""
    return {
        "to_detect": _between(incident.started_at, incident.opened_at),
        "to_acknowledge": _between(incident.opened_at, incident.acknowledged_at),
        "to_contain": _between(incident.opened_at, incident.contained_at),
        "to_recover": _between(incident.opened_at, incident.recovered_at),
        "to_resolve": _between(incident.opened_at, incident.resolved_at),
    }


def unowned_seconds(incident: Incident, held: Iterable[Acknowledgement]) -> float | None:
    """How long nobody had it, from the detection until it was resolved; None while that cannot be said yet."""
    until = incident.resolved_at
    covered, total = incident.opened_at, 0.0
    for each in sorted(held, key=lambda row: row.at):
        if until is not None and each.at >= until:
            break
        total += max((each.at - covered).total_seconds(), 0.0)
        if each.lapsed_at is None:
            return total
        covered = max(covered, each.lapsed_at)
    if until is None:
        return None
    return total + max((until - covered).total_seconds(), 0.0)


def _between(one: datetime | None, other: datetime | None) -> float | None:
    """Never below zero: what a sender's clock told of the start may lie after our own."""
    return max((other - one).total_seconds(), 0.0) if one is not None and other is not None else None
