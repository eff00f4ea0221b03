"""One press: back to the last good version."""

from __future__ import annotations

from datetime import datetime
from time import perf_counter

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals, stack
from rollouts.legs import LEGS, Change
from rollouts.legs.base import Side
from rollouts.models import Activation, BundleVersion, Deployment, Rollback, RollbackLeg
from rollouts.operations import epoch
from rollouts.operations.activation import HELD, activate


@patient(HELD)
def roll_back(
    deployment: Deployment,
    *,
    actor: Actor,
    reason: str = "",
    to: int | None = None,
    pressed_in: str = "",
    at: datetime | None = None,
    decided_at: datetime | None = None,
) -> tuple[Rollback, bool]:
    """Point ``deployment`` at its last good version, or at number ``to`` below it; True when this press did it.

    While the active version was put there by a rollback and nothing was activated since, a press without ``to``
    (or with ``to`` naming that same version) is answered with that rollback: many doors pressing at once are one
    rollback. ``decided_at`` is when a person or guardrail decided, if that was before this call.

    ``committed_ms`` = the time from ``decided_at`` to this call, plus what a monotonic clock measures from here
    until the Rollback row is written; what follows in the transaction is the pointer's update, the legs and the
    commit itself. Needs nothing but PostgreSQL.
    """
    require(actor, Permission.CONTAIN, deployment)
    began, called_at = perf_counter(), clock.now()
    at = at or called_at
    decided_at = decided_at or at
    # Lock first and read its versions after: a join would be read as it stood before the lock was granted.
    deployment = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
    if standing := _standing(deployment, to):
        return standing, False
    old, new = _versions(deployment, _target(deployment, to))
    number = epoch.bump(deployment.environment_id)
    activation = activate(
        deployment,
        new,
        Activation.Kind.ROLLBACK,
        actor=actor,
        reason=reason,
        at=at,
        began=began,
        epoch=number,
    )
    deployment.stack, taken = stack.rolled_back(deployment.stack, new.number)
    audit.record(actor, "roll back", str(deployment), reason=reason, data={"from": old.number, "to": new.number}, at=at)
    before = max((called_at - decided_at).total_seconds(), 0.0)
    rollback = Rollback.objects.create(
        deployment=deployment,
        activation=activation,
        from_version=old,
        to_version=new,
        reason=reason,
        pressed_in=pressed_in,
        decided_at=decided_at,
        flipped_at=at,
        committed_ms=(before + perf_counter() - began) * 1000,
        epoch=number,
        in_flight_policy=str(old.metadata.get("in_flight_policy") or ""),
        taken=taken,
        **acted_by(actor),
    )
    deployment.standing_rollback = rollback
    deployment.save(update_fields=["active", "activated_at", "stack", "standing_rollback"])
    RollbackLeg.objects.bulk_create(_legs(rollback, at))
    signals.announce("rollback", rollback.pk)
    return rollback, True


def _standing(deployment: Deployment, to: int | None) -> Rollback | None:
    """The rollback that this press repeats, if any."""
    if deployment.standing_rollback_id is None:
        return None
    rollback = Rollback.objects.select_related("from_version", "to_version").get(pk=deployment.standing_rollback_id)
    return rollback if to is None or to == rollback.to_version.number else None


def _target(deployment: Deployment, to: int | None) -> int:
    """The number to go back to; refuses what cannot be gone back to, saying why."""
    if deployment.active_id is None or not deployment.stack:
        raise _nothing(f"{deployment} has never had an active version.")
    active = deployment.stack[-1]
    if to is None:
        good = stack.last_good_number(deployment.stack)
        if good is None:
            raise _nothing(f"Version {active} is the only one left in {deployment}.")
        return good
    if to == active:
        raise OperationRefused(f"Version {to} is the active one of {deployment} already.")
    if to not in deployment.stack:
        if deployment.activations.filter(version__number=to).exists():
            raise OperationRefused(
                f"Version {to} was itself rolled back from in {deployment}. Roll forward, or promote it again."
            )
        raise OperationRefused(f"Version {to} has never been active in {deployment}, so it is nothing to go back to.")
    return to


def _nothing(why: str) -> OperationRefused:
    return OperationRefused(f"Nothing to go back to. {why}", details={"offer": "Send to a human"})


def _versions(deployment: Deployment, target: int) -> tuple[BundleVersion, BundleVersion]:
    """The active version and the one to go back to, in one query."""
    wanted = {
        version.number: version
        for version in BundleVersion.objects.filter(
            bundle_id=deployment.bundle_id, number__in=[deployment.stack[-1], target]
        ).select_related("bundle")
    }
    return wanted[deployment.stack[-1]], wanted[target]


def _legs(rollback: Rollback, at: datetime) -> list[RollbackLeg]:
    change = Change(_side(rollback.from_version), _side(rollback.to_version))
    legs = []
    for position, (kind, plan) in enumerate(LEGS.items()):
        planned = plan(change)
        is_done = planned.state == RollbackLeg.State.DONE
        legs.append(
            RollbackLeg(
                rollback=rollback,
                kind=kind,
                position=position,
                state=planned.state,
                sentence=planned.sentence,
                closed_at=at if is_done else None,
                closed_by_label="code" if is_done else "",
            )
        )
    return legs


def _side(version: BundleVersion) -> Side:
    return Side(version.label, version.body, version.behaviour_digest, version.part_digests)
