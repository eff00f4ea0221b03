"""The way back from a rollback."""

from __future__ import annotations

from datetime import datetime
from time import perf_counter

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import Activation, Deployment, Rollback
from rollouts.operations import epoch
from rollouts.operations.activation import HELD, activate


@patient(HELD)
def roll_forward(
    deployment: Deployment,
    *,
    actor: Actor,
    reason: str = "",
    pressed_in: str = "",
    at: datetime | None = None,
) -> Activation:
    """Activate again what the standing rollback took back, and lift its mark: the stack is as it was before.

    The same right as containing: a press that only an approver could undo would be pressed less readily, and this
    version passed its gates when it was promoted here. A second press is answered with the first one's activation.
    ``pressed_in`` is the room it was pressed in; it goes into the audit log.
    """
    require(actor, Permission.CONTAIN, deployment)
    began, at = perf_counter(), at or clock.now()
    deployment = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
    if deployment.standing_rollback_id is None:
        last = deployment.activations.select_related("version", "previous").order_by("-pk").first()
        if last is not None and last.kind == Activation.Kind.ROLL_FORWARD:
            return last
        raise OperationRefused(f"There is no rollback to take back in {deployment}: it was promoted to what it runs.")
    rollback = Rollback.objects.select_related("from_version__bundle").get(pk=deployment.standing_rollback_id)
    activation = activate(
        deployment,
        rollback.from_version,
        Activation.Kind.ROLL_FORWARD,
        actor=actor,
        reason=reason,
        at=at,
        began=began,
        epoch=epoch.bump(deployment.environment_id),
    )
    deployment.stack = [*deployment.stack, *rollback.taken]
    deployment.standing_rollback = None
    deployment.save(update_fields=["active", "activated_at", "stack", "standing_rollback"])
    audit.record(
        actor,
        "roll forward",
        str(deployment),
        reason=reason,
        data={"number": rollback.from_version.number, "rollback": rollback.pk, "pressed_in": pressed_in},
        at=at,
    )
    signals.announce("roll_forward", activation.pk)
    return activation
