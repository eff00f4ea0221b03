"""What is owed after a stop, never before it: why the whole agent (R090), and by what it may act again (R091)."""

from __future__ import annotations

import math
from datetime import date, datetime

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.locks import patient
from accounts.models import User
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import Stop
from rollouts.operations.activation import HELD


@patient(HELD)
def give_reason(
    stop: Stop,
    *,
    actor: Actor,
    wrong_share_percent: float,
    right_share_percent: float,
    reason: str,
    at: datetime | None = None,
) -> Stop:
    """Say why all of it was stopped: how much of what it did went wrong, how much right was taken with it."""
    require(actor, Permission.CONTAIN, stop.kill_switch.deployment)
    by = _person(actor, "give the reason of a stop")
    for share in (wrong_share_percent, right_share_percent):
        if not math.isfinite(share) or not 0 <= share <= 100:
            raise OperationRefused("A share is a percentage from 0 to 100.", status=422)
    if wrong_share_percent + right_share_percent > 100.5:
        raise OperationRefused("The wrong and the right share are together at most 100 %.", status=422)
    if not reason.strip():
        raise OperationRefused("Say why stopping only a part would not have held the harm.", status=422)
    stop = _locked(stop)
    if stop.kill_switch.scope != "whole":
        raise OperationRefused("Only a stop of the whole agent owes this: a narrower one is its own reason.")
    stop.wrong_share_percent, stop.right_share_percent = wrong_share_percent, right_share_percent
    stop.wide_reason, stop.reasoned_at, stop.reasoned_by = reason.strip()[:2_000], at or clock.now(), by
    stop.save(update_fields=["wrong_share_percent", "right_share_percent", "wide_reason", "reasoned_at", "reasoned_by"])
    audit.record(
        actor,
        "give reason of stop",
        str(stop.kill_switch.deployment),
        reason=stop.wide_reason,
        data={"stop": stop.pk, "wrong_percent": wrong_share_percent, "right_percent": right_share_percent},
        at=stop.reasoned_at,
    )
    signals.announce("stop_reason", stop.pk)
    return stop


@patient(HELD)
def plan_restore(
    stop: Stop, *, actor: Actor, criteria: str, expected_on: date | None = None, at: datetime | None = None
) -> Stop:
    """Write by what criteria it may act again, and when that is expected; the newest plan counts."""
    require(actor, Permission.CONTAIN, stop.kill_switch.deployment)
    by = _person(actor, "write a restore plan")
    if not criteria.strip():
        raise OperationRefused("Write at least one criterion: what has to be true before it acts again?", status=422)
    at = at or clock.now()
    stop = _locked(stop)
    if stop.released_at is not None:
        raise OperationRefused("This stop is released already: there is nothing left to restore.")
    if expected_on is not None and expected_on < at.date():
        raise OperationRefused("Expect it back today or later.", status=422)
    stop.restore_criteria, stop.restore_expected_on = criteria.strip()[:4_000], expected_on
    stop.restore_planned_at, stop.restore_planned_by = at, by
    stop.save(update_fields=["restore_criteria", "restore_expected_on", "restore_planned_at", "restore_planned_by"])
    audit.record(
        actor,
        "plan restore",
        str(stop.kill_switch.deployment),
        reason=stop.restore_criteria,
        data={"stop": stop.pk, "expected_on": expected_on.isoformat() if expected_on else None},
        at=at,
    )
    signals.announce("restore_plan", stop.pk)
    return stop


def _locked(stop: Stop) -> Stop:
    return (
        Stop.objects.select_for_update(no_key=True, of=("self",))
        .select_related("kill_switch__deployment__bundle")
        .get(pk=stop.pk)
    )


def _person(actor: Actor, act: str) -> User:
    if actor.person is None:
        raise NotPermitted(f"Only a person can {act}. Sign in, or run lastgood login.")
    return actor.person
