"""Which version the next change of a bundle is compared with."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts.models import Bundle, BundleVersion, EvalBaseline, Rollback


@transaction.atomic
def adopt(
    version: BundleVersion, *, actor: Actor, eval_set: str, reason: str = "", at: datetime | None = None
) -> EvalBaseline:
    """Compare later versions with ``version``, by this eval set. Refused for one that was taken back."""
    require(actor, Permission.APPROVE)
    if why := taken_back(version):
        raise OperationRefused(f"{version.label} is no baseline: {why}")
    row = _place(version, eval_set, actor=actor, reason=reason, pinned=False, at=at or clock.now())
    audit.record(actor, "adopt baseline", f"{version}", reason=reason, data={"eval_set": eval_set}, at=row.adopted_at)
    return row


def grading(bundle: Bundle, eval_set: str) -> EvalBaseline:
    """The baseline to grade by; refused where there is none, or it stands on a version that was taken back (R068)."""
    row = (
        EvalBaseline.objects.filter(bundle=bundle, eval_set=eval_set, ended_at=None)
        .select_related("version__bundle")
        .first()
    )
    if row is None:
        raise OperationRefused(f"No baseline was adopted for {eval_set}.")
    if why := taken_back(row.version):
        raise OperationRefused(f"The baseline of {eval_set} cannot grade: {why} Re-anchor or pin it.")
    return row


def taken_back(version: BundleVersion) -> str:
    """Why ``version`` can be nobody's measure: where it was rolled back from and has not returned; empty when not."""
    pressed = Rollback.objects.filter(from_version=version).select_related("deployment__bundle").order_by("-pk")
    for rollback in pressed:
        if version.number not in rollback.deployment.stack:
            return f"{version.label} was rolled back from in {rollback.deployment}."
    return ""


def after(rollback: Rollback, eval_set: str, choice: str, *, actor: Actor, at: datetime) -> EvalBaseline:
    """What a rollback leaves: the good version as the new measure, or the one before the bad, held on purpose."""
    if choice == "re_anchor":
        return _place(rollback.to_version, eval_set, actor=actor, reason="Re-anchored.", pinned=False, at=at)
    bad = rollback.taken or [rollback.from_version.number]
    bundle = rollback.deployment.bundle_id
    rows = EvalBaseline.objects.filter(bundle=bundle, eval_set=eval_set).exclude(version__number__in=bad)
    before = rows.select_related("version").order_by("-pk").first()
    held = before.version if before is not None else rollback.to_version
    return _place(held, eval_set, actor=actor, reason="Pinned.", pinned=True, at=at)


def _place(
    version: BundleVersion, eval_set: str, *, actor: Actor, reason: str, pinned: bool, at: datetime
) -> EvalBaseline:
    if not eval_set or len(eval_set) > 64:
        raise OperationRefused("Name the eval set, in at most 64 characters.", status=422)
    Bundle.objects.select_for_update(no_key=True).get(pk=version.bundle_id)  # one baseline after the other
    EvalBaseline.objects.filter(bundle=version.bundle_id, eval_set=eval_set, ended_at=None).update(ended_at=at)
    return EvalBaseline.objects.create(
        bundle_id=version.bundle_id,
        eval_set=eval_set,
        version=version,
        pinned=pinned,
        reason=reason,
        adopted_at=at,
        **acted_by(actor),
    )
