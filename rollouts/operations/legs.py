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
from rollouts.models import RollbackLeg

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
