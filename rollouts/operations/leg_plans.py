"""The machine looks at a leg: counts, forecasts, and plans a step for each connector that works for it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from rollouts.connectors import KINDS
from rollouts.models import Connector, LegEvidence, LegStep, LegWork, RollbackLeg
from rollouts.operations import leg_state, looks

#: Rollbacks this old are left to people: what a connector would do now is no longer what was meant.
LOOKED_BACK = timedelta(days=2)
MOST_TRIES = 8
Kind, State = LegEvidence.Kind, RollbackLeg.State

logger = logging.getLogger(__name__)


def begin(at: datetime) -> int:
    """Note that each leg of a recent rollback is to be looked at; how many legs nobody had noted.

    The press writes no such row: the flip stays as short as it is, and a rollback that another release pressed is
    worked all the same.
    """
    legs = RollbackLeg.objects.filter(
        Q(kind="flip") | Q(state__in=[State.OPEN, State.FAILED, State.BLOCKED]),
        rollback__flipped_at__gte=at - LOOKED_BACK,
        work=None,
    )
    found = [LegWork(leg_id=pk, due_at=at) for pk in legs.order_by("pk").values_list("pk", flat=True)[:500]]
    LegWork.objects.bulk_create(found, ignore_conflicts=True)
    return len(found)


def look_patiently(work: LegWork, at: datetime) -> None:
    """Look in a transaction of its own; what fails is tried again later."""
    try:
        with transaction.atomic():
            look(work, at)
    except Exception as error:  # a leg that cannot be looked at must not keep the others waiting
        logger.exception("%s failed", work)
        work.fail(f"{type(error).__name__}: {error}", at=at, give_up_after=MOST_TRIES)


def look(work: LegWork, at: datetime) -> None:
    """Count and forecast what a leg is about, and plan a step for each connector that works for it."""
    leg = leg_state.locked(work.leg_id)
    if leg.is_closed and leg.kind != "flip":
        work.finish(at=at)
        return
    first = not leg.evidence.filter(kind__in=[Kind.COUNT, Kind.FORECAST]).exists()
    seen = looks.LOOKS[leg.kind](leg, at) if leg.kind in looks.LOOKS else looks.Look()
    for found in seen.found if first or seen.changed else ():
        leg_state.record(leg, found.kind, found.text, at, data=found.data, count=found.count, source=found.source)
    if leg.kind not in looks.PLANNED_BY_DECISION:
        plan(leg, at)
    if seen.nothing_to_do and not leg.is_closed and not leg.steps.exists():
        leg_state.close(leg, at, seen.found[-1].text)
    leg_state.settle(leg, at)
    work.finish(at=at)
    if seen.again_at is not None:
        work.done_at, work.due_at, work.attempts = None, seen.again_at, 0
        work.save(update_fields=["done_at", "due_at", "attempts"])


def plan(leg: RollbackLeg, at: datetime, about: str = "") -> int:
    """A step for each connector of a locked leg, once; how many there are."""
    found = [
        LegStep(
            leg=leg,
            connector=connector,
            about=about,
            verb=KINDS[connector.kind].undo_verb or connector.name,
            created_at=at,
            due_at=at,
        )
        for connector in connectors_of(leg)
    ]
    LegStep.objects.bulk_create(found, ignore_conflicts=True)
    return len(found)


def connectors_of(leg: RollbackLeg) -> list[Connector]:
    """Those in use that work for this kind of leg, of this agent and environment."""
    deployment = leg.rollback.deployment
    mine = Q(agent=None) | Q(agent=deployment.bundle.agent_id)
    here = Q(environment=None) | Q(environment=deployment.environment_id)
    found = Connector.objects.filter(mine, here, disabled_at=None, legs__contains=[leg.kind])
    if deployment.bundle.agent.practice:
        found = found.filter(agent=deployment.bundle.agent_id)  # practice reaches nothing that is real
    return list(found.order_by("pk"))
