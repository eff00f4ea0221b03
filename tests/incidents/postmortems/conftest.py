"""The incident that most stories of a postmortem are told of."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from accounts.models import SiteRole
from incidents.models import Incident
from incidents.operations import acknowledge, causes, contain, moves, opening, triage
from rollouts.operations import legs
from tests.clock import MovableClock
from tests.factories.accounts import machine, person
from tests.factories.regression_cases import case
from tests.factories.rollouts import activate, deployment, version
from tests.spans import ERROR, OK, span, told


def refund(at: datetime, label: str, *, refused: bool, region: str = "eu") -> None:
    """One customer's refund, as the agent's telemetry tells it: the run and its tool."""
    common = {"lastgood.bundle": "customer-service", "lastgood.version": label, "cloud.region": region}
    trace = f"{int(at.timestamp() * 1000):032x}"
    wrong = {"error.type": "refund_over_limit"} if refused else {}
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "refund",
        "gen_ai.tool.call.arguments": json.dumps({"amount": 240}),
        "gen_ai.tool.call.result": json.dumps({"refused": refused}),
    }
    status = ERROR if refused else OK
    told(
        span(
            common | wrong | {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": trace},
            at=at,
            trace=trace,
            status=status,
            message="over the limit" if refused else "",
        ),
        span(common | wrong | tool, at=at + timedelta(milliseconds=10), trace=trace, status=status),
    )


@pytest.fixture
def refunds(noon: datetime, clock: MovableClock) -> Incident:
    """The refund limit: 2.1.0 live, an alert a quarter of an hour later, rolled back three minutes after."""
    two = noon + timedelta(hours=2)
    activate(version(label="2.0.3", text="You may refund up to $500."))
    clock.move_to(two)
    activate(version(label="2.1.0", text="You may refund up to $100."))
    clock.move_to(two + timedelta(minutes=15))
    for minute in range(12):
        at = two + timedelta(minutes=1, seconds=60 * minute)
        refund(at, "2.1.0", refused=minute % 3 == 0)
        refund(at + timedelta(seconds=5), "2.0.3", refused=False, region="ap")
    mara = person(SiteRole.COMMANDER, name="Mara")
    room = opening.open_incident(
        actor=machine(),
        severity="SEV2",
        title="Refund success below 95 %",
        deployment=deployment(),
        started_at=two,
    )
    clock.move_to(two + timedelta(minutes=18))
    room = acknowledge.acknowledge(room, actor=mara)
    rollback = contain.roll_back(room, actor=mara, reason="refunds are refused")
    moves.record("rollback", rollback.pk)
    refund(two + timedelta(minutes=18, seconds=40), "2.1.0", refused=True)
    for leg in rollback.legs.filter(state="open"):
        legs.close(leg, actor=mara, state="waived", reason="nothing is kept there")
        moves.record("leg", leg.pk)
    clock.move_to(two + timedelta(minutes=25))
    triage.answer(room, actor=mara, branch="version", diagnosis="spec_gap", rollback_answer="stop_the_bleed")
    cause = causes.add(room, actor=mara, origin="prompt_change", note="the limit had no exception")
    causes.link_case(cause, case(incident_ref=room.ref, bad_version=rollback.from_version), actor=mara)
    return Incident.objects.get(pk=room.pk)
