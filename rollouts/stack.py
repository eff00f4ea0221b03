"""What one deployment has run and could go back to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from accounts import clock
from rollouts.models import Activation, BundleVersion, Deployment


class State(StrEnum):
    """Where a version stands in one environment; warm means: replaced less than ``warm_hours`` ago."""

    ACTIVE = "active"
    WARM = "warm"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class StackRow:
    """One version that has been active here, as of its latest activation.

    ``rolled_back`` = it was taken back and is nothing to go back to, until rolled forward or promoted again.
    ``warm_until`` is None for the active version.
    """

    version: BundleVersion
    state: State
    activated_at: datetime
    warm_until: datetime | None
    rolled_back: bool
    is_last_good: bool

    def as_json(self) -> dict[str, Any]:
        return {
            **self.version.as_json(),
            "state": self.state,
            "activated_at": self.activated_at,
            "warm_until": self.warm_until,
            "rolled_back": self.rolled_back,
        }


def promoted(stack: Iterable[int], number: int) -> list[int]:
    """The stack after ``number`` became active: on top, and nowhere else."""
    return [*(below for below in stack if below != number), number]


def rolled_back(stack: list[int], target: int) -> tuple[list[int], list[int]]:
    """The stack after going back to ``target``, and what that took off, the version that was active last."""
    keep = stack.index(target) + 1
    return stack[:keep], stack[keep:]


def last_good_number(stack: list[int]) -> int | None:
    """The version below the top: the newest one that was not rolled back from (CONTRACT §5)."""
    return stack[-2] if len(stack) > 1 else None


def last_good(deployment: Deployment) -> BundleVersion | None:
    """What one press goes back to; None when there is nothing."""
    number = last_good_number(deployment.stack)
    if number is None:
        return None
    return BundleVersion.objects.get(bundle_id=deployment.bundle_id, number=number)


def view(deployment: Deployment, at: datetime | None = None) -> list[StackRow]:
    """Every version that has been active in ``deployment``, the active one first, then by latest activation."""
    at = at or clock.now()
    warmth = timedelta(hours=deployment.warm_hours)
    rows: dict[int, StackRow] = {}
    replaced_at: datetime | None = None  # when the activation at hand ended
    standing = set(deployment.stack)
    good = last_good_number(deployment.stack)
    # The whole bodies of all versions would be megabytes; whoever needs a body fetches that one.
    history: Iterable[Activation] = (
        Activation.objects.filter(deployment=deployment)
        .select_related("version")
        .defer("version__body")
        .order_by("-pk")
    )
    for activation in history:
        number = activation.version.number
        if number not in rows:
            warm_until = None if replaced_at is None else replaced_at + warmth
            state = State.ACTIVE if warm_until is None else State.WARM if at < warm_until else State.ARCHIVED
            rows[number] = StackRow(
                version=activation.version,
                state=state,
                activated_at=activation.at,
                warm_until=warm_until,
                rolled_back=number not in standing,
                is_last_good=number == good,
            )
        replaced_at = activation.at
    return list(rows.values())
