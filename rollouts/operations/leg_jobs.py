"""What a connector is told of the rollback it works for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from rollouts import signals
from rollouts.connectors.base import Job, Version
from rollouts.models import (
    Activation,
    BundleVersion,
    ConversationTreatment,
    LegDecision,
    LegStep,
    Rollback,
    RollbackLeg,
)


def job_of(step: LegStep, leg: RollbackLeg) -> Job:
    """The job of a step: its id never changes, however often it is tried."""
    rollback = leg.rollback
    deployment = rollback.deployment
    live = went_live(rollback)
    return Job(
        id=f"leg-step-{step.pk}-{int(step.created_at.timestamp())}",
        chain=str(uuid5(NAMESPACE_URL, f"lastgood/{deployment}/activation/{live.pk if live else 0}")),
        leg=leg.kind,
        deployment=str(deployment),
        key=deployment.bundle.key,
        environment=deployment.environment_id,
        bad=version_of(rollback.from_version, live.at if live else None),
        good=version_of(rollback.to_version, None),
        rollback=rollback.pk,
        reason=rollback.reason,
        by=rollback.actor_label,
        at=rollback.flipped_at,
        incident=signals.incident_of("rollback", rollback.pk),
        incident_at=rollback.decided_at,
        extra=extra_of(step),
    )


def went_live(rollback: Rollback) -> Activation | None:
    """The activation that put the bad version there for the last time before it was taken back."""
    return (
        Activation.objects.filter(
            deployment=rollback.deployment_id, version=rollback.from_version_id, pk__lt=rollback.activation_id
        )
        .order_by("-pk")
        .first()
    )


def version_of(version: BundleVersion, activated_at: datetime | None) -> Version:
    metadata = BundleVersion.objects.filter(pk=version.pk).values_list("body__metadata", flat=True).first()
    known = metadata if isinstance(metadata, dict) else {}
    return Version(version.number, version.label, version.digest, known, activated_at)


def extra_of(step: LegStep) -> dict[str, Any]:
    """What the step adds to the leg: the treatment or decision it carries outside."""
    what, _, pk = step.about.partition(":")
    if what == "treatment":
        chosen = ConversationTreatment.objects.get(pk=pk)
        return {
            "cohort": chosen.cohort,
            "treatment": chosen.treatment,
            "conversations": chosen.conversations,
            "list": f"/api/v1/rollbacks/{chosen.rollback_id}/conversations?cohort={chosen.cohort}",
        }
    if what == "decision":
        decided = LegDecision.objects.get(pk=pk)
        return {"subject": decided.subject, "choice": decided.choice, "note": decided.note}
    return {}
