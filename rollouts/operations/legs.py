"""Closing what a rollback left to do."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, refusal, require
from rollouts import signals
from rollouts.models import LegWork, RollbackLeg
from rollouts.operations import leg_state

_CLOSINGS = (RollbackLeg.State.DONE, RollbackLeg.State.WAIVED)


@transaction.atomic
def close(leg: RollbackLeg, *, actor: Actor, state: str, reason: str = "", at: datetime | None = None) -> RollbackLeg:
    """Say that a leg is done, or waive it with a reason; a person's word, under their name."""
    leg = (
        RollbackLeg.objects.select_for_update(no_key=True, of=("self",))
        .select_related("rollback__deployment__bundle")
        .get(pk=leg.pk)
    )
    deployment = leg.rollback.deployment
    require(actor, Permission.CONTAIN, deployment)
    if actor.person is None:
        raise NotPermitted(refusal(actor, Permission.RELEASE))
    if state not in _CLOSINGS:
        raise OperationRefused(f"A leg is closed as {' or '.join(_CLOSINGS)}, not {state}.", status=422)
    if leg.is_closed:
        by = f" by {leg.closed_by_label}" if leg.closed_by_label else ""
        raise OperationRefused(f"{leg.get_kind_display()} is {leg.get_state_display().lower()} already{by}.")
    if state == RollbackLeg.State.WAIVED and not reason.strip():
        raise OperationRefused("Waiving a leg needs a reason.", status=422)
    leg.state, leg.reason = RollbackLeg.State(state), reason
    leg.closed_at, leg.closed_by, leg.closed_by_label = at or clock.now(), actor.person, actor.label[:100]
    leg.save(update_fields=["state", "reason", "closed_at", "closed_by", "closed_by_label"])
    audit.record(
        actor,
        "close leg",
        str(deployment),
        reason=reason,
        data={"rollback": leg.rollback_id, "leg": leg.kind, "state": state},
        at=leg.closed_at,
    )
    signals.announce("leg", leg.pk)
    return leg


@transaction.atomic
def verify(leg: RollbackLeg, *, actor: Actor, at: datetime | None = None) -> RollbackLeg:
    """A person has looked and says that it is so: a mark of its own, beside whoever or whatever closed the leg."""
    leg = leg_state.locked(leg.pk)
    deployment = leg.rollback.deployment
    require(actor, Permission.CONTAIN, deployment)
    if actor.person is None:
        raise NotPermitted(refusal(actor, Permission.RELEASE))
    if leg.state != RollbackLeg.State.DONE:
        raise OperationRefused(f"{leg.get_kind_display()} is {leg.get_state_display().lower()}: verify it once done.")
    if leg.verified_by is not None:
        raise OperationRefused(f"{leg.get_kind_display()} was verified by {leg.verified_by}.")
    leg.verified_at, leg.verified_by = at or clock.now(), actor.person
    leg.save(update_fields=["verified_at", "verified_by"])
    text = f"{actor.label} looked and says that it is so."
    leg_state.record(leg, "verified", text, leg.verified_at, by=actor.label)
    data = {"rollback": leg.rollback_id, "leg": leg.kind}
    audit.record(actor, "verify leg", str(deployment), data=data, at=leg.verified_at)
    signals.announce("leg", leg.pk)
    return leg


@transaction.atomic
def retry(leg: RollbackLeg, *, actor: Actor, at: datetime | None = None) -> RollbackLeg:
    """Begin what failed or is blocked anew, look at the leg again, and ask connectors that have come since.

    Where nobody knows whether something was done, and doing it twice would hurt, only a person may say again.
    """
    leg = leg_state.locked(leg.pk)
    deployment = leg.rollback.deployment
    require(actor, Permission.CONTAIN, deployment)
    if leg.closed_by is not None:
        raise OperationRefused(f"{leg.get_kind_display()} was closed by {leg.closed_by_label}.")
    at = at or clock.now()
    stuck = leg.steps.filter(state__in=["failed", "blocked"])
    if actor.person is None and stuck.filter(sent_at__isnull=False, state="blocked").exists():
        raise NotPermitted(refusal(actor, Permission.RELEASE))
    count = stuck.update(
        due_at=at, claimed_until=None, attempts=0, given_up_at=None, blocked_at=None, sent_at=None, error=""
    )
    work, made = LegWork.objects.get_or_create(leg=leg, defaults={"due_at": at})
    if not made and (work.done_at is not None or work.given_up_at is not None):
        work.done_at, work.given_up_at, work.due_at, work.attempts, work.claimed_until = None, None, at, 0, None
        work.save(update_fields=["done_at", "given_up_at", "due_at", "attempts", "claimed_until"])
    again = f"{count} step{'' if count == 1 else 's'} begun anew." if count else "Looked at again."
    leg_state.record(leg, "retried", again, at, by=actor.label, count=count)
    leg_state.settle(leg, at)
    data = {"rollback": leg.rollback_id, "leg": leg.kind, "steps": count}
    audit.record(actor, "retry leg", str(deployment), data=data, at=at)
    return leg
