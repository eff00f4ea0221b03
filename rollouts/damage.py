"""What a harm costs while nobody has stopped it: rate × latency, and whether stopping comes in time (R084–R088). Pure.

Seconds are seconds of true time from the decision to stop until nothing acts any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from accounts.words import duration, number

#: The four rates, by the name of their column, with what one of it is called and what many are.
UNITS: dict[str, tuple[str, str]] = {
    "actions_per_second": ("action", "actions"),
    "calls_per_second": ("call", "calls"),
    "usd_per_second": ("US dollar", "US dollars"),
    "messages_per_second": ("message", "messages"),
}
#: Merge, build, deploy: what stopping takes where a switch is none (R088).
DEPLOY_PATH_SECONDS = (20 * 60, 40 * 60)
#: How long until a screenshot is public. Stands in for a blast time that nobody has said.
SCREENSHOT_SECONDS = 10 * 60
GOAL_SECONDS = 5 * 60


class Verdict(StrEnum):
    """What a switch is worth, as far as anybody has measured."""

    UNMEASURED = "unmeasured"
    THEATER = "theater"
    LATE = "late"
    IN_TIME = "in_time"


@dataclass(frozen=True, slots=True)
class Floor:
    """The least damage of one kind that is done before a stop holds: ``amount`` of ``unit`` (a name of ``UNITS``)."""

    unit: str
    amount: float

    @property
    def words(self) -> str:
        one, many = UNITS[self.unit]
        if self.unit == "usd_per_second":
            return f"${number(self.amount, 2 if self.amount < 100 else 0)}"
        whole = ceil(round(self.amount, 6))  # half a message has been sent; a rounding error has not
        return f"{number(whole)} {one if whole == 1 else many}"

    def __str__(self) -> str:
        return f"≥ {self.words}"


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a switch with the sentence that says why, and how it compares."""

    verdict: Verdict
    sentence: str
    comparisons: tuple[str, ...] = ()

    @property
    def is_red(self) -> bool:
        return self.verdict in {Verdict.UNMEASURED, Verdict.THEATER}

    @property
    def word(self) -> str:
        return {
            Verdict.UNMEASURED: "Never measured",
            Verdict.THEATER: "Containment theater",
            Verdict.LATE: "Over its budget",
            Verdict.IN_TIME: "In time",
        }[self.verdict]


def latency(seconds: float) -> str:
    """``41 s`` · ``85 s`` · ``43 min``: to the second for as long as seconds are what is at stake."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else duration(seconds)


def floors(rates: Mapping[str, float | None], seconds: float | None) -> tuple[Floor, ...]:
    """Rate × latency for each rate that is known and above zero; nothing while the latency is unknown."""
    if seconds is None:
        return ()
    return tuple(Floor(unit, rate * seconds) for unit in UNITS if (rate := rates.get(unit)))


def judge(seconds: float | None, *, blast_seconds: float | None, budget_seconds: float | None) -> Judged:
    """Whether a stop that takes ``seconds`` (None: never measured) comes before the damage is done."""
    if seconds is None:
        return Judged(
            Verdict.UNMEASURED, "Nobody has measured how long this stop takes. Until somebody has, it proves nothing."
        )
    blast = SCREENSHOT_SECONDS if blast_seconds is None else blast_seconds
    clock = "the ten minutes until a screenshot is public" if blast_seconds is None else "its blast time"
    took = latency(seconds)
    if seconds > blast:
        told = (
            f"Stopping takes {took}; {clock} is over after {duration(blast)}. The harm is done before the stop holds."
        )
        return Judged(Verdict.THEATER, told, compare(seconds))
    if budget_seconds is not None and seconds > budget_seconds:
        told = f"Stopping takes {took}, more than the {duration(budget_seconds)} it may take."
        return Judged(Verdict.LATE, told, compare(seconds))
    left = latency(blast - seconds)
    return Judged(Verdict.IN_TIME, f"Stopping takes {took}; that leaves {left} of {clock}.", compare(seconds))


def compare(seconds: float) -> tuple[str, ...]:
    """The latency beside what it stands against: a deploy, the public, the goal."""
    quick, slow = DEPLOY_PATH_SECONDS
    if seconds < quick:
        deploy = f"quicker than a deploy ({quick // 60} to {slow // 60} min)"
    elif seconds <= slow:
        deploy = f"no quicker than a deploy ({quick // 60} to {slow // 60} min)"
    else:
        deploy = f"slower than a deploy ({quick // 60} to {slow // 60} min)"
    public = "before" if seconds <= SCREENSHOT_SECONDS else "after"
    goal = "within" if seconds <= GOAL_SECONDS else "over"
    return (
        deploy,
        f"{public} a screenshot is public (about {SCREENSHOT_SECONDS // 60} min)",
        f"{goal} the goal of {GOAL_SECONDS // 60} min",
    )
