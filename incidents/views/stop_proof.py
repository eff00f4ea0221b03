"""The proof of a stop after its press: who fetched it, what was done meanwhile, whether anything goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from incidents.views.stops import SHOWN_STOPS, stop_rows
from incidents.views.visit import Visit
from rollouts import damage
from rollouts.damage import Floor, Judged
from rollouts.models import Containment, Stop
from rollouts.switchboard import containment_of
from rollouts.telemetry import after_stop, questions
from rollouts.telemetry.after_stop import Effects
from rollouts.telemetry.facts import Window

#: Before the stop, of which the wrong and the right share are counted.
COMPARED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Proof:
    """One standing stop as it was followed: ``done`` is what happened between the decision and its end."""

    stop: Stop
    measured: Containment | None
    judged: Judged | None
    floors: tuple[Floor, ...]
    done: Effects | None
    goes_on: bool
    wrong_percent: float | None = None

    @property
    def right_percent(self) -> float | None:
        return None if self.wrong_percent is None else round(100 - self.wrong_percent, 1)


def proof(visit: Visit) -> dict[str, Any]:
    """Each standing stop: fetched by whom, what was done meanwhile, whether anything goes on, what is owed."""
    found = [row for row in stop_rows(visit) if row.engaged][:SHOWN_STOPS]
    proofs = []
    for row in found:
        stop = row.engaged
        if stop is None:
            continue
        stop.kill_switch.deployment = row.deployment
        measured = containment_of(stop)
        seconds = measured.seconds if measured else None
        switch = stop.kill_switch
        limits = {"blast_seconds": switch.blast_seconds, "budget_seconds": switch.latency_budget_seconds}
        proofs.append(
            Proof(
                stop,
                measured,
                damage.judge(seconds, **limits) if seconds is not None else None,
                damage.floors(switch.rates, seconds),
                after_stop.effects(stop, ended(stop, measured)),
                row.goes_on,
                wrong_share(stop) if stop.owes_comparison else None,
            )
        )
    return {"proofs": proofs}


def ended(stop: Stop, measured: Containment | None) -> datetime:
    """Until when effects are counted: the last act that telemetry told of, so that looking again counts no more."""
    last = measured.last_act_at if measured and measured.last_act_at else stop.engaged_at
    return max(last, stop.engaged_at) + timedelta(seconds=1)


def wrong_share(stop: Stop) -> float | None:
    """How much of what ran before the stop had failed, in percent; None without telemetry."""
    deployment = stop.kill_switch.deployment
    window = Window(deployment.bundle.key, deployment.environment_id, stop.decided_at - COMPARED, stop.decided_at)
    share = questions.failure_summary(window).failed_share
    return None if share is None else round(share * 100, 1)
