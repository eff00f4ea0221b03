"""Stopping an agent, or part of it, without a deploy; and letting it go again."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from time import perf_counter

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import Deployment, KillSwitch, Stop
from rollouts.operations import epoch
from rollouts.operations.activation import HELD

WHOLE = "whole"
#: How far ahead of ours the clock of whoever decided may go.
CLOCKS_DIFFER = timedelta(minutes=1)
_SCOPE = re.compile(r"whole|writes|(region|tool|cohort):[^\s\x00-\x1f]{1,100}")


def stop(
    deployment: Deployment,
    *,
    actor: Actor,
    scope: str = WHOLE,
    reason: str = "",
    fallback: str = "",
    pressed_in: str = "",
    at: datetime | None = None,
) -> Stop:
    """Engage the kill switch of ``scope``; while it is engaged, the stop that engaged it is the answer."""
    return engage(deployment, actor=actor, scope=scope, reason=reason, fallback=fallback, pressed_in=pressed_in, at=at)[
        0
    ]


@patient(HELD)
def engage(
    deployment: Deployment,
    *,
    actor: Actor,
    scope: str = WHOLE,
    reason: str = "",
    fallback: str = "",
    pressed_in: str = "",
    at: datetime | None = None,
    decided_at: datetime | None = None,
) -> tuple[Stop, bool]:
    """:func:`stop`, and whether this press engaged it.

    ``decided_at`` is when somebody decided to stop, if that was before this call: what acted since counts as done
    between the decision and the stop. ``fallback`` is what customers get instead, such as "To a human"; without one
    the switch keeps the last it had.
    ``committed_ms`` runs on a monotonic clock from the call to the Stop row, the last write before the commit.
    """
    require(actor, Permission.CONTAIN, deployment)
    began, at = perf_counter(), at or clock.now()
    check_scope(scope)
    decided_at = decided_at or at
    if decided_at > at + CLOCKS_DIFFER:
        raise OperationRefused("A stop is decided before it is pressed: decided_at lies in the future.", status=422)
    # The pointer row orders presses, so that the switch is made once and engaged once.
    deployment = (
        Deployment.objects.select_for_update(no_key=True, of=("self",)).select_related("bundle").get(pk=deployment.pk)
    )
    switch, _ = KillSwitch.objects.get_or_create(deployment=deployment, scope=scope)
    standing = switch.stops.filter(released_at=None).first()
    if standing is not None:
        return standing, False
    if fallback and fallback != switch.fallback:
        switch.fallback = fallback
        switch.save(update_fields=["fallback"])
    number = epoch.bump(deployment.environment_id)
    audit.record(actor, "stop", str(deployment), reason=reason, data={"scope": scope, "fallback": fallback}, at=at)
    engaged = Stop.objects.create(
        kill_switch=switch,
        reason=reason,
        fallback=switch.fallback,
        pressed_in=pressed_in,
        decided_at=min(decided_at, at),
        engaged_at=at,
        committed_ms=(perf_counter() - began) * 1000,
        epoch=number,
        **acted_by(actor),
    )
    signals.announce("stop", engaged.pk)
    return engaged, True


def check_scope(scope: str) -> None:
    """Refuse what names no scope."""
    if not _SCOPE.fullmatch(scope):
        raise OperationRefused("A scope is whole, writes, region:<name>, tool:<name> or cohort:<name>.", status=422)


@patient(HELD)
def release(stop: Stop, *, actor: Actor, reason: str = "", at: datetime | None = None) -> Stop:
    """Let go what was stopped; only a person may, and where a restore plan has criteria, one who says how they are met.

    Nothing else ends a stop: no time, no ramp that went well, no flag that was cleaned up (R082, R092).
    """
    deployment = stop.kill_switch.deployment
    require(actor, Permission.RELEASE, deployment)
    Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
    stop = (
        Stop.objects.select_for_update(no_key=True, of=("self",))
        .select_related("kill_switch__deployment__bundle", "released_by")
        .get(pk=stop.pk)
    )
    if stop.released_at is not None:
        raise OperationRefused(
            f"{stop.released_by} has released this stop already, at {stop.released_at:%H:%M:%S} UTC."
        )
    if stop.restore_criteria and not reason.strip():
        raise OperationRefused(
            f"Look at the criteria of its restore plan, and say what shows that they are met: {stop.restore_criteria}",
            status=422,
        )
    stop.released_at, stop.released_by, stop.release_reason = at or clock.now(), actor.person, reason
    stop.save(update_fields=["released_at", "released_by", "release_reason"])
    epoch.bump(deployment.environment_id)
    audit.record(
        actor,
        "release",
        str(deployment),
        reason=reason,
        data={"scope": stop.kill_switch.scope, "stop": stop.pk},
        at=stop.released_at,
    )
    signals.announce("release", stop.pk)
    return stop
