"""In-flight work: what runtimes report of it, and the order of a rollback: pointer, router, drain, notify (R049)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Sum

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import InFlightReport, LegStep, Propagation, Rollback

COUNTS = ("finished_old", "finished_new", "cancelled", "retried", "retried_ok")
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a rollback: ``at`` is when it was over, None while it is not, or nobody says."""

    name: str
    at: datetime | None
    says: str


@transaction.atomic
def report(
    rollback: Rollback,
    *,
    actor: Actor,
    instance: str = "",
    remaining: int | None = None,
    at: datetime | None = None,
    **counts: int,
) -> InFlightReport:
    """What one runtime counts since the flip: totals, so that a report sent twice changes nothing.

    Refused when a count goes back, or more succeeded than were retried: then it is not this rollback's, or a step.
    """
    require(actor, Permission.REPORT)
    at = at or clock.now()
    for name, value in {**counts, "remaining": remaining or 0}.items():
        if not 0 <= value <= LARGEST:
            raise OperationRefused(f"{name} is a count from 0 to {LARGEST}.", status=422)
    if counts.get("retried_ok", 0) > counts.get("retried", 0):
        raise OperationRefused("More succeeded than were retried. retried counts them all.", status=422)
    Rollback.objects.select_for_update(no_key=True).get(pk=rollback.pk)  # one report after the other
    row = InFlightReport.objects.filter(rollback=rollback, instance=instance).first()
    if row is None:
        row = InFlightReport(rollback=rollback, instance=instance, first_at=at)
    for name in COUNTS:
        value = counts.get(name, getattr(row, name))
        if value < getattr(row, name):
            raise OperationRefused(f"{name} was {getattr(row, name)} before. Send totals since the flip.")
        setattr(row, name, value)
    row.remaining, row.at = remaining, at
    for name, said in acted_by(actor).items():
        setattr(row, name, said)
    row.save()
    signals.announce("in_flight", rollback.pk)
    return row


def totals(rollback: Rollback) -> dict[str, int | datetime | None]:
    """What all runtimes counted together; ``reports`` is how many told. ``remaining`` is None when one does not say."""
    found = rollback.in_flight_reports.aggregate(
        *(Sum(name) for name in (*COUNTS, "remaining")), reports=Count("pk"), said=Count("remaining"), last_at=Max("at")
    )
    return {
        **{name: found[f"{name}__sum"] or 0 for name in COUNTS},
        "remaining": found["remaining__sum"] if found["reports"] == found["said"] else None,
        "reports": found["reports"],
        "last_at": found["last_at"],
    }


def has_drained(rollback: Rollback) -> bool:
    """Whether every runtime that reports says that nothing is left; False while nobody has reported."""
    return totals(rollback)["remaining"] == 0


def stages(
    rollback: Rollback,
    counts: dict[str, int | datetime | None] | None = None,
    steps: Sequence[LegStep] | None = None,
) -> list[Stage]:
    """Pointer, router, drain, notify: each with its time (R049). ``steps`` are those of the flip, when read already."""
    told = counts if counts is not None else totals(rollback)
    spread: Propagation | None = getattr(rollback.activation, "propagation", None)
    whole = spread is not None and 0 < spread.instances <= spread.reached
    if steps is None:
        steps = list(LegStep.objects.filter(leg__rollback=rollback, leg__kind="flip").select_related("connector"))
    moved = [step for step in steps if step.connector.kind != "cdevents"]
    notified = [step for step in steps if step.connector.kind == "cdevents"]
    fetched = spread.measured_at if spread is not None and whole else None
    routed = max((step.done_at for step in moved if step.done_at), default=None)
    router_done = all(step.state in {"done", "dropped"} for step in moved)
    router = max(filter(None, (fetched, routed)), default=None) if router_done else None
    if spread is None:
        says = "no instance has been measured yet"
    else:
        says = f"{spread.reached} of {spread.instances} instances fetched it"
    if moved:
        says += f"; {sum(step.state == 'done' for step in moved)} of {len(moved)} other pointers followed"
    last_at = told["last_at"]
    over = last_at if told["remaining"] == 0 and isinstance(last_at, datetime) else None
    people = signals.told_at("rollback", rollback.pk)
    finished = [step.done_at for step in notified if step.done_at]
    return [
        Stage("pointer", rollback.flipped_at, "the deployment names the good version"),
        Stage("router", router, says),
        Stage("drain", over, _drain_says(told)),
        Stage("notify", min([*finished, *([people] if people else [])], default=None), _notify_says(people, notified)),
    ]


def _drain_says(told: dict[str, int | datetime | None]) -> str:
    if not told["reports"]:
        return "no runtime has reported what was in flight"
    left = told["remaining"]
    open_end = "how much is left is not said" if left is None else f"{left} left"
    return (
        f"{told['finished_old']} finished under the old version, {told['finished_new']} under the new, "
        f"{told['cancelled']} cancelled, {told['retried_ok']} of {told['retried']} retried succeeded, {open_end}"
    )


def _notify_says(people: datetime | None, asked: Sequence[LegStep]) -> str:
    told = f"the first notice left at {people:%H:%M:%S} UTC" if people else "no notice has left yet"
    done = sum(step.done_at is not None for step in asked)
    return f"{told}; {done} of {len(asked)} told by CDEvents" if asked else told
