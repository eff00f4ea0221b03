"""What a person decides about a leg: the treatment of a cohort, a baseline, an experiment, a consumer."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, refusal, require
from rollouts.models import ConversationTreatment, LegDecision, Rollback, RollbackLeg
from rollouts.operations import baselines, cohorts, leg_plans, leg_state, leg_subjects

Treatment = ConversationTreatment.Treatment


@transaction.atomic
def decide(
    leg: RollbackLeg, *, actor: Actor, subject: str, choice: str, note: str = "", at: datetime | None = None
) -> LegDecision:
    """Choose for one subject of a leg. When none is left, and connectors have told who has to know, the leg is done."""
    leg = leg_state.locked(leg.pk)
    _person(actor, leg)
    known = leg_subjects.CHOICES.get(leg.kind)
    if known is None:
        raise OperationRefused(f"Nothing is decided about {leg.get_kind_display().lower()}.", status=422)
    if choice not in known:
        raise OperationRefused(f"Choose {' or '.join(known)}, not {choice}.", status=422)
    if (subjects := leg_subjects.subjects(leg)) and subject not in subjects:
        raise OperationRefused(f"This leg is about {', '.join(subjects[:20])}, not {subject:.100}.", status=422)
    _still_open(leg)
    at = at or clock.now()
    if leg.kind == "baseline":
        baselines.after(leg.rollback, subject, choice, actor=actor, at=at)
    row = LegDecision.objects.create(
        leg=leg, subject=subject, choice=choice, note=note[:2000], at=at, **acted_by(actor)
    )
    leg_plans.plan(leg, at, f"decision:{row.pk}")
    text = f"{subject}: {known[choice]}" + (f". {note}" if note else "")
    leg_state.record(leg, "decided", text, at, data={"subject": subject, "choice": choice}, by=actor.label)
    _written(leg, actor, "decide leg", {"subject": subject, "choice": choice}, note, at)
    return row


@transaction.atomic
def treat(
    rollback: Rollback, *, actor: Actor, cohort: str, treatment: str, reason: str = "", at: datetime | None = None
) -> ConversationTreatment:
    """Choose what becomes of a cohort of conversations (R067); a later choice for some replaces it for those."""
    leg = leg_state.locked(rollback.legs.get(kind="histories").pk)
    _person(actor, leg)
    if treatment not in Treatment.values:
        raise OperationRefused(f"A treatment is {', '.join(Treatment.values)}, not {treatment:.40}.", status=422)
    rows = cohorts.of(rollback, cohort)
    if leg.state == RollbackLeg.State.WAIVED:
        raise OperationRefused(f"Histories was waived by {leg.closed_by_label}.")
    count = rows.count()
    if not count:
        raise OperationRefused(f"No conversation is in {cohort}.")
    at = at or clock.now()
    row = ConversationTreatment.objects.create(
        rollback=rollback,
        cohort=cohort,
        treatment=treatment,
        reason=reason[:2000],
        conversations=count,
        at=at,
        **acted_by(actor),
    )
    rows.update(treatment=row)
    leg_plans.plan(leg, at, f"treatment:{row.pk}")
    text = f"{count} conversations ({cohort}): {treatment}" + (f". {reason}" if reason else "")
    data = {"cohort": cohort, "treatment": treatment}
    leg_state.record(leg, "decided", text, at, data=data, count=count, by=actor.label)
    _written(leg, actor, "treat conversations", {**data, "conversations": count}, reason, at)
    return row


def _written(leg: RollbackLeg, actor: Actor, verb: str, data: dict[str, object], reason: str, at: datetime) -> None:
    leg_state.settle(leg, at)
    audit.record(
        actor,
        verb,
        str(leg.rollback.deployment),
        reason=reason,
        data={"rollback": leg.rollback_id, "leg": leg.kind, **data},
        at=at,
    )


def _still_open(leg: RollbackLeg) -> None:
    if leg.closed_by_id is not None or leg.state == RollbackLeg.State.NOT_APPLICABLE:
        by = f" by {leg.closed_by_label}" if leg.closed_by_label else ""
        raise OperationRefused(f"{leg.get_kind_display()} is {leg.get_state_display().lower()} already{by}.")


def _person(actor: Actor, leg: RollbackLeg) -> None:
    require(actor, Permission.CONTAIN, leg.rollback.deployment)
    if actor.person is None:
        raise NotPermitted(refusal(actor, Permission.RELEASE))
