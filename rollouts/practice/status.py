"""What is said of a running scenario: its state, its numbers, one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from rollouts.practice.monitor import THRESHOLD
from rollouts.practice.scenarios import FIRST, SCENARIOS, Scenario

#: A fleet that has not reported for this long is not running.
SILENT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class PracticeStatus:
    """What the banner says. ``state`` ∈ starting, running, resting, over, silent; ``rate`` is what its monitor sees."""

    scenario: str
    title: str
    state: str
    phase: str
    sentence: str
    rate: float | None
    threshold: float
    window_seconds: float | None
    firing: bool
    bad_instances: int
    queued: int
    retried: int
    retried_refunded: int
    fixes: tuple[str, ...]
    fix_asked_at: datetime | None
    fixed: tuple[str, ...]
    started_at: datetime
    active_until: datetime

    @property
    def is_resting(self) -> bool:
        return self.state in {"resting", "over"}

    @property
    def is_awake(self) -> bool:
        return self.state in {"starting", "running"}


class Run(Protocol):
    """What is known of a run: the row, without its database."""

    scenario: str
    started_at: datetime
    active_until: datetime
    seen_at: datetime | None
    fix_asked_at: datetime | None
    report: dict[str, Any]


def is_over(run: Run) -> bool:
    """Whether the scenario has come to its end by itself."""
    return bool(run.report.get("phase") == "over")


def describe(run: Run, at: datetime) -> PracticeStatus:
    """How ``run`` stands at that moment."""
    told: dict[str, Any] = run.report
    counts, scenario = told.get("counts") or {}, SCENARIOS.get(run.scenario, FIRST)
    state = "running"
    if at >= run.active_until:
        state = "over" if is_over(run) else "resting"
    elif run.seen_at is None:
        state = "starting" if at - run.started_at < SILENT else "silent"
    elif at - run.seen_at > SILENT:
        state = "silent"
    facts: dict[str, Any] = {
        "rate": told.get("rate"),
        "window_seconds": told.get("window_seconds"),
        "firing": bool(told.get("firing_since")),
        "bad_instances": int(told.get("bad_instances") or 0),
        "queued": int(told.get("queued") or 0),
        "retried": int(counts.get("retried") or 0),
        "retried_refunded": int(counts.get("retried_refunded") or 0),
    }
    phase = str(told.get("phase") or "")
    return PracticeStatus(
        scenario=scenario.name,
        title=scenario.title,
        state=state,
        phase=phase,
        sentence=sentence(scenario, state, phase, facts),
        threshold=THRESHOLD,
        fixes=scenario.fixes if told.get("has_fired") else (),
        fix_asked_at=run.fix_asked_at,
        fixed=tuple(told.get("fixed") or ()),
        started_at=run.started_at,
        active_until=run.active_until,
        **facts,
    )


def sentence(scenario: Scenario, state: str, phase: str, facts: dict[str, Any]) -> str:
    rate, measures = facts["rate"], scenario.measures
    percent = "" if rate is None else f"{rate * 100:.0f} %"
    if state == "over":
        return f"{scenario.title} is over; what it left stays until you remove it."
    if state == "resting":
        return "The simulated fleet rests; what it left stays until you remove it."
    if state == "silent":
        return "The simulated fleet does not answer; make run starts it."
    if state == "starting" or not phase or phase == "setup":
        return "Twenty simulated agents are starting. Nothing here is real."
    if phase != "released":
        now = f" {measures} {percent}." if percent else ""
        return f"Twenty simulated agents answer customers; something changes within a minute.{now}"
    if not percent:
        return "The simulated agents hand every customer to a human: nothing to measure."
    if facts["bad_instances"]:
        what = "Open the incident and contain it." if facts["firing"] else "Its monitor will raise an alert."
        waiting = f", {facts['queued']} wait" if scenario.retries else ""
        return f"The simulated agent {scenario.trouble}: {measures.lower()} {percent}{waiting}. {what}"
    if facts["retried"]:
        went = f"{facts['retried_refunded']} of {facts['retried']} refused refunds, tried again, have gone through."
        return f"{measures} {percent}{' and recovering' if facts['firing'] else ''}. {went}"
    return f"Twenty simulated agents answer customers. {measures} {percent}."
