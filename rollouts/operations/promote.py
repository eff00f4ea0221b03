"""Making a version the active one of an environment."""

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
from rollouts.models import Activation, BundleVersion, Deployment, Waiver
from rollouts.operations import epoch, gates
from rollouts.operations.activation import HELD, activate
from rollouts.snapshots import is_pinned


@patient(HELD)
def promote(
    deployment: Deployment,
    version: BundleVersion,
    *,
    actor: Actor,
    waiver_reason: str = "",
    waiver_expires_at: datetime | None = None,
    at: datetime | None = None,
) -> Activation:
    """Point ``deployment`` at ``version``; the version that was active becomes the last good one.

    Refused with every reason at once. Promoting what is active already answers with the activation that made it
    so. The waiver covers the gates without a result, never a red one.
    """
    require(actor, Permission.APPROVE, deployment)
    began, at = perf_counter(), at or clock.now()
    if version.bundle_id != deployment.bundle_id:
        raise OperationRefused(f"{version} is a version of another bundle than {deployment}.", status=422)
    _check_waiver(waiver_reason, waiver_expires_at, at)
    deployment = Deployment.objects.select_for_update(no_key=True).get(pk=deployment.pk)
    if deployment.active_id == version.pk:
        return deployment.activations.select_related("version", "previous").latest("pk")
    standing = gates.standing(version, deployment.environment_id)
    reasons = obstacles(deployment, version, standing, waived=bool(waiver_reason))
    if reasons:
        raise OperationRefused(
            f"{version} cannot go to {deployment.environment_id}: {' '.join(reasons)}", details={"reasons": reasons}
        )
    activation = activate(
        deployment,
        version,
        Activation.Kind.PROMOTION,
        actor=actor,
        reason=waiver_reason,
        at=at,
        began=began,
        epoch=epoch.bump(deployment.environment_id),
    )
    deployment.stack = stack.promoted(deployment.stack, version.number)
    deployment.standing_rollback = None
    deployment.save(update_fields=["active", "activated_at", "stack", "standing_rollback"])
    if waiver_expires_at is not None and standing.missing:
        Waiver.objects.create(
            activation=activation,
            gates=standing.missing,
            reason=waiver_reason,
            expires_at=waiver_expires_at,
            at=at,
            **acted_by(actor),
        )
    audit.record(
        actor,
        "promote",
        str(deployment),
        reason=waiver_reason,
        data={"number": version.number, "waived": standing.missing},
        at=at,
    )
    signals.announce("promotion", activation.pk)
    return activation


def _check_waiver(reason: str, expires_at: datetime | None, at: datetime) -> None:
    if not reason.strip() and expires_at is None:
        return
    if not reason.strip():
        raise OperationRefused("A waiver needs a reason.", status=422)
    if expires_at is None:
        raise OperationRefused("A waiver needs a time at which it expires.", status=422)
    if expires_at <= at:
        raise OperationRefused("This waiver has expired already.", status=422)


def obstacles(deployment: Deployment, version: BundleVersion, standing: gates.Gates, *, waived: bool) -> list[str]:
    """Everything that keeps ``version`` out, as sentences; ``waived``: but for what a waiver covers. dev has none."""
    if not gates.NEEDED.get(deployment.environment_id):
        return []
    reasons = [f"Gate {result.gate} is red{f': {result.detail}' if result.detail else ''}." for result in standing.red]
    if not waived:
        reasons += [_lacking(gate, standing.why.get(gate)) for gate in standing.missing]
    snapshot = str(version.body["model"]["snapshot"])
    if not is_pinned(snapshot):
        reasons.append(f"Model {snapshot} is an alias that its provider may move; pin a snapshot.")
    if not str(version.metadata.get("reviewer") or "").strip():
        reasons.append("No reviewer is named (metadata.reviewer).")
    if not version.metadata.get("in_flight_policy"):
        reasons.append("No in-flight policy is declared (metadata.in_flight_policy).")
    return reasons


def _lacking(gate: str, why: str | None) -> str:
    if why is None:
        return f"Gate {gate} has no result and there is no waiver."
    return f"Gate {gate} has no result that counts and there is no waiver: {why}"
