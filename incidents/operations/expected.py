"""A spike that was forecast is labelled so, and is no new incident (R026)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from incidents.models import MachineMove
from incidents.reading import AlertSignal
from rollouts.models import LegEvidence
from rollouts.operations.looks.prefix_cache import EXPECTED, METRICS

#: How the reason begins by which such an alert was put where it is.
LABEL = "Expected: "


@dataclass(frozen=True, slots=True)
class Spike:
    """The incident whose rollback explains a spike, and the words for it."""

    incident_id: int
    says: str


def could_be_a_cold_cache(signal: AlertSignal) -> bool:
    """Whether the alert is about latency or cost, by its metric or, where it names none, by its title."""
    return bool(METRICS.search(str(signal.header.get("metric") or "") or signal.title))


def spikes(deployments: Iterable[int], at: datetime) -> dict[int, Spike]:
    """deployment → what a cold prefix cache explains there at that moment, in two statements; empty mostly."""
    forecasts = (
        LegEvidence.objects.filter(
            kind="forecast",
            leg__kind="prefix_cache",
            leg__rollback__deployment__in=list(deployments),
            leg__rollback__flipped_at__lte=at,
            leg__rollback__flipped_at__gt=at - EXPECTED,
        )
        .order_by("pk")
        .values_list("leg__rollback__deployment", "leg__rollback", "leg__rollback__to_version__label")
    )
    found = {deployment: (rollback, label) for deployment, rollback, label in forecasts}
    moves = MachineMove.objects.filter(
        kind="rollback", object_id__in=[rollback for rollback, _ in found.values()], incident__isnull=False
    )
    rooms = dict(moves.values_list("object_id", "incident_id")) if found else {}
    return {
        deployment: Spike(
            rooms[rollback], f"{LABEL}the prefix cache is cold since the rollback to {label}; it was forecast there."
        )
        for deployment, (rollback, label) in found.items()
        if rollback in rooms
    }
