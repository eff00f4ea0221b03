"""The machine's one way to tell the world: a fact, after commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from rollouts.models import BundleVersion

from rollouts.off_state import Probe

#: Sent with ``kind`` (rollback, roll_forward, promotion, stop, release, leg, case, eval_run) and ``pk`` of the row of
#: that kind (Rollback, Activation, Activation, Stop, Stop, RollbackLeg, RegressionCase, EvalRun that is over); of a
#: Stop also stop_reason, restore_plan and stop_ignored (something acted long after it); leg_trouble with a LegEvidence
#: that says why a leg is stuck, in_flight with a Rollback whose counts moved.
#: Receivers run after commit and may fail.
machine_moved = Signal()

#: Filled by ``incidents``: the reference of the incident that a move (kind, pk) was recorded in, or None.
incident_of_hooks: list[Callable[[str, int], str | None]] = []
#: Filled by ``incidents``: when the first notice of a move (kind, pk) had left, or None.
told_at_hooks: list[Callable[[str, int], datetime | None]] = []
#: Filled by ``incidents``: takes away what it holds about a practice agent (its id) and says how much of what.
remove_practice_hooks: list[Callable[[int], dict[str, int]]] = []


@dataclass(frozen=True, slots=True)
class Written:
    """What people wrote about a version after an incident, and published; ``part`` is what the version was in it."""

    ref: str
    title: str
    severity: str
    part: str
    revision: int
    at: datetime
    url: str


#: Filled by ``incidents``: what was written about a version, newest first.
written_about_hooks: list[Callable[[BundleVersion], list[Written]]] = []


def written_about(version: BundleVersion) -> list[Written]:
    """The postmortems that a version belongs to; none where nobody writes any."""
    return [each for hook in written_about_hooks for each in hook(version)]


#: Filled by ``incidents``, which guards where this server connects to: asks an address for a page, once.
ask_hooks: list[Callable[[str], Probe]] = []


def ask_address(address: str) -> Probe:
    """What a machine outside answers to a GET of ``address``; without anybody who may ask, that is the problem."""
    return ask_hooks[0](address) if ask_hooks else Probe(None, None, "Nothing here may ask addresses.")


def announce(kind: str, pk: int) -> None:
    """Tell of a move once its transaction has committed; a receiver's failure never undoes the move."""
    transaction.on_commit(lambda: machine_moved.send(sender=None, kind=kind, pk=pk), robust=True)


def incident_of(kind: str, pk: int) -> str | None:
    """The incident a move belongs to, such as ``INC-7``; None while nobody has recorded it."""
    for hook in incident_of_hooks:
        if ref := hook(kind, pk):
            return ref
    return None


def told_at(kind: str, pk: int) -> datetime | None:
    """When the first person or place had been told of a move; None while nobody has."""
    return min((at for hook in told_at_hooks if (at := hook(kind, pk)) is not None), default=None)
