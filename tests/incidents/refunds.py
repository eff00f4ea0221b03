"""The refund limit as a room: 2.1.0 refuses what 2.0.3 pays, and a run of it that the telemetry kept."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from incidents.models import Incident
from incidents.operations import acknowledge, contain, moves, triage
from rollouts.models import RollbackLeg
from rollouts.operations.push import push
from rollouts.practice.bundles import BAD, FIX, GOOD, KEY, VERSIONS
from tests.factories.accounts import person
from tests.factories.incidents import incident
from tests.factories.rollouts import activate, deployment, practised
from tests.spans import ERROR, span, told

TRACE = "5" * 32


def refund_room(at: datetime, *, fix: bool = False) -> Incident:
    """An incident on 2.1.0, acknowledged and rolled back to 2.0.3 with every leg closed; ``fix``: 2.2.0 is pushed."""
    practised(KEY)
    for label in (GOOD, BAD):
        activate(push(KEY, VERSIONS[label], actor=person())[0])
    room = acknowledge.acknowledge(incident(deployment(KEY), started_at=at), actor=person())
    triage.skip(room, actor=person(), reason="clear")
    rollback = contain.roll_back(room, actor=person())
    moves.record("rollback", rollback.pk)
    RollbackLeg.objects.filter(rollback=rollback, closed_at=None).update(state="done", closed_at=at)
    if fix:
        push(KEY, VERSIONS[FIX], actor=person())
    refused(at)
    return Incident.objects.get(pk=room.pk)


def refused(at: datetime, trace: str = TRACE, amount: int = 240) -> None:
    """A refund of ``amount`` that 2.1.0 refused."""
    common = {"lastgood.bundle": KEY, "lastgood.version": BAD, "error.type": "refund_over_agent_limit"}
    arguments = {
        "order_id": "HH-20418",
        "amount": amount,
        "currency": "USD",
        "authorised_up_to": 100,
        "reason": "broken",
    }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "issue_refund",
        "gen_ai.tool.call.arguments": json.dumps(arguments),
    }
    agent = {"gen_ai.operation.name": "invoke_agent", "refund.approved": 500}
    told(
        span(common | agent, at=at, trace=trace, status=ERROR),
        span(common | tool, at=at + timedelta(seconds=1), trace=trace, status=ERROR, message="refused"),
    )
