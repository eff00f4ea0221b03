"""The row every flip of a pointer writes."""

from __future__ import annotations

from datetime import datetime
from time import perf_counter

from django.db.models import CharField, Subquery, Value
from django.db.models.functions import Coalesce, Concat

from accounts.actors import Actor
from accounts.models import acted_by
from rollouts.models import Activation, BundleVersion, Deployment, EvalRun

#: Said to whoever presses while another transaction holds the pointer, the epoch or the audit chain.
HELD = "This deployment is being changed by somebody else. Nothing was done; press again."


def activate(
    deployment: Deployment,
    version: BundleVersion,
    kind: Activation.Kind,
    *,
    actor: Actor,
    reason: str,
    at: datetime,
    began: float,
    epoch: int,
) -> Activation:
    """Point the locked ``deployment`` at ``version`` and append the Activation; the caller saves the pointer.

    ``began`` is the perf_counter() of when the flip began; ``duration_ms`` runs from there to this row.
    """
    activation = Activation.objects.create(
        deployment=deployment,
        kind=kind,
        version=version,
        previous_id=deployment.active_id,
        reason=reason,
        at=at,
        epoch=epoch,
        duration_ms=(perf_counter() - began) * 1000,
        text_digest=version.part_digests["prompt"],
        baseline_id=baseline(version),
        cohort_id=str(version.metadata.get("experiment") or "")[:100],
        downstream_contract_version=str(version.metadata.get("output_contract") or "")[:100],
        **acted_by(actor),
    )
    deployment.active, deployment.activated_at = version, at
    return activation


def baseline(version: BundleVersion) -> Coalesce:
    """The eval baseline that ``version`` is anchored to (R062): ``golden@3#run-7`` of its newest green full run.

    Where Lastgood has seen none, what its metadata names; empty where that names nothing either. Found by the INSERT
    itself: a rollback asks no question more for it.
    """
    named = str(version.metadata.get("eval_set") or "")[:100]
    words = Concat(
        "eval_set_version__eval_set__name", Value("@"), "eval_set_version__number", Value("#run-"), "pk",
        output_field=CharField(),
    )  # fmt: skip
    green = EvalRun.objects.filter(version=version, only=None, state=EvalRun.State.PASSED).order_by("-pk")
    return Coalesce(Subquery(green.annotate(words=words).values("words")[:1]), Value(named), output_field=CharField())
