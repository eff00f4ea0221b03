"""A row in every table that the work of legs writes, for tests that look at all tables."""

from __future__ import annotations

from accounts import clock
from accounts.models import SiteRole, acted_by
from rollouts.models import (
    ConversationTreatment,
    EvalBaseline,
    InFlightReport,
    LegDecision,
    LegEvidence,
    LegStep,
    LegWork,
    Rollback,
    TaintedConversation,
)
from rollouts.operations import connectors
from tests.factories.accounts import person


def leave_legs_worked(made: Rollback) -> None:
    """What connectors, decisions and runtimes leave behind on one rollback."""
    at, admin = clock.now(), person(SiteRole.ADMIN)
    by = acted_by(admin)
    agent = made.deployment.bundle.agent
    config = {"address": "https://hooks.example/leg"}
    connector, _ = connectors.create(
        actor=admin, kind="webhook", name=f"{agent} hook", config=config, legs=["histories"], agent=agent
    )
    leg = made.legs.get(kind="histories")
    LegWork.objects.create(leg=leg, due_at=at, done_at=at)
    step = LegStep.objects.create(leg=leg, connector=connector, verb="call", created_at=at, due_at=at, done_at=at)
    LegEvidence.objects.create(leg=leg, step=step, at=at, kind="answered", text="It answered 200")
    LegDecision.objects.create(leg=leg, subject="consumers", choice="forward_fix", at=at, **by)
    chosen = ConversationTreatment.objects.create(
        rollback=made, cohort="all", treatment="reset", conversations=1, at=at, **by
    )
    TaintedConversation.objects.create(
        rollback=made, deployment=made.deployment, conversation_id="c1", turns=2, first_at=at, last_at=at,
        active=True, treatment=chosen,
    )  # fmt: skip
    InFlightReport.objects.create(rollback=made, instance="eu-1", retried=2, retried_ok=2, first_at=at, at=at, **by)
    EvalBaseline.objects.create(
        bundle=made.deployment.bundle, eval_set="golden", version=made.to_version, adopted_at=at, **by
    )
