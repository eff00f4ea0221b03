"""What was done between the decision and the stop, and whether anything acted after it (R084, R087)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts import clock
from incidents.models import Incident, Owed
from incidents.operations import moves
from rollouts.models import Containment, Stop
from rollouts.operations import kill_switch, stop_words
from rollouts.operations.push import push
from rollouts.telemetry import stop_watch
from rollouts.telemetry.after_stop import acts_after, effects
from tests import spans
from tests.factories.accounts import person
from tests.factories.rollouts import activate, body, deployment, running

pytestmark = pytest.mark.django_db
KEY = "customer-service"


def act(at: datetime, tool: str = "", *, instance: str = "i-1", region: str = "eu", **more: Any) -> None:
    """One call that began at ``at``: of ``tool``, or of the model."""
    said: dict[str, Any] = {"lastgood.bundle": KEY, "gen_ai.operation.name": "execute_tool" if tool else "chat"}
    said |= {"gen_ai.tool.name": tool} if tool else {"gen_ai.request.model": "m"}
    resource = {
        "service.name": "shop", "service.instance.id": instance, "cloud.region": region,
        "deployment.environment.name": "prod",
    }  # fmt: skip
    spans.told(spans.span(said | more, at=at), resource=resource)


def stopped(scope: str = "whole", **fields: Any) -> Stop:
    return kill_switch.engage(running("1.0.0", key=KEY), actor=person(), scope=scope, **fields)[0]


def test_tickets_and_billing_calls_between_the_decision_and_the_stop_are_counted() -> None:
    """The kill switch that took 43 minutes, at one hundredth: 12 tickets, 80 billing calls, 3 mails."""
    decided = clock.now() - timedelta(minutes=43)
    act(decided - timedelta(seconds=1), "open_ticket")  # before anybody decided
    for tool, count in (("open_ticket", 12), ("charge_account", 80), ("send_mail", 3)):
        for number in range(count):
            act(decided + timedelta(minutes=43) * number / count, tool)
    act(decided + timedelta(minutes=42))
    done = effects(stopped(decided_at=decided), clock.now())
    assert done is not None
    assert [(tool.tool, tool.calls) for tool in done.tools] == [
        ("charge_account", 80), ("open_ticket", 12), ("send_mail", 3),
    ]  # fmt: skip
    assert (done.model_calls, done.runs, done.tool_calls) == (1, 96, 95)
    assert done.until > decided + timedelta(minutes=42)


def test_what_acts_after_the_stop_is_counted_and_who_hands_over_does_not_act() -> None:
    stop = stopped()
    act(stop.engaged_at - timedelta(seconds=1), "get_order")
    act(stop.engaged_at + timedelta(seconds=2), "get_order")
    act(stop.engaged_at + timedelta(seconds=61), "get_order", instance="i-2")
    handed = {"lastgood.bundle": KEY, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "shop"}
    spans.told(spans.span(handed, at=stop.engaged_at + timedelta(seconds=90), name="invoke_agent"))
    found = acts_after(stop, stop.engaged_at + timedelta(minutes=5))
    assert found is not None
    assert (found.total, found.late, found.instances) == (2, 1, 2)
    assert found.last_at == stop.engaged_at + timedelta(seconds=61)


@pytest.mark.parametrize(
    ("scope", "counted"),
    [("region:eu", 2), ("region:us", 1), ("tool:refund", 1), ("writes", 2), ("whole", 3)],
)
def test_only_what_the_scope_forbids_counts(scope: str, counted: int) -> None:
    tools = [
        {"name": "get_order", "input_schema": {"type": "object", "readOnly": True}},
        {"name": "refund", "input_schema": {"type": "object"}},
    ]
    activate(push(KEY, body(label="1.0.0", tools=tools), actor=person())[0])
    stop = kill_switch.stop(deployment(KEY), actor=person(), scope=scope)
    after = stop.engaged_at + timedelta(seconds=1)
    act(after, "get_order")
    act(after, "refund")
    act(after, "unknown_tool", region="us")
    found = acts_after(stop, after + timedelta(minutes=1))
    assert found is not None
    assert found.total == counted


def test_of_a_cohort_telemetry_can_tell_nothing() -> None:
    stop = stopped("cohort:beta")
    assert acts_after(stop, clock.now()) is None
    assert effects(stop, clock.now()) is None
    assert stop_watch.watch(stop.engaged_at + timedelta(seconds=90)) == 0


def test_the_clock_says_once_that_something_goes_on_a_minute_after_the_stop() -> None:
    stop = stopped()
    moves.sweep()
    act(stop.engaged_at + timedelta(seconds=3), "get_order")
    assert stop_watch.watch(stop.engaged_at + timedelta(seconds=59)) == 1
    assert Containment.objects.get(stop=stop).acts_after == 1
    moves.sweep()
    room = Incident.objects.get()
    assert not room.timeline.filter(text__startswith="Still running").exists()

    act(stop.engaged_at + timedelta(seconds=70), "get_order", instance="i-2")
    assert stop_watch.watch(stop.engaged_at + timedelta(seconds=60)) == 0  # it has just looked
    assert stop_watch.watch(stop.engaged_at + timedelta(seconds=80)) == 1
    assert stop_watch.watch(stop.engaged_at + timedelta(seconds=90)) == 1
    moves.sweep()
    moves.sweep()
    entry = room.timeline.get(text__startswith="Still running after the stop")
    assert "acted 1 min after it, 2 instances" in entry.text
    seen = Containment.objects.get(stop=stop)
    assert (seen.acts_after, seen.late_acts, seen.acting_instances) == (2, 1, 2)
    assert seen.seconds == pytest.approx(70)  # nobody fetched by name: what acted last tells when it was over


def test_a_look_grows_rarer_with_the_stop_s_age_and_ends_with_it() -> None:
    stop = stopped()
    at = stop.engaged_at + timedelta(hours=1)
    assert stop_watch.watch(at) == 1
    assert stop_watch.watch(at + timedelta(seconds=50)) == 0
    assert stop_watch.watch(at + timedelta(seconds=70)) == 1
    assert stop_watch.watch(stop.engaged_at + timedelta(hours=7)) == 0
    kill_switch.release(stop, actor=person())
    assert stop_watch.watch(at + timedelta(minutes=30)) == 0


def test_the_room_of_a_stop_of_the_whole_agent_owes_the_comparison_until_it_is_given() -> None:
    stop = stopped()
    moves.sweep()
    room = Incident.objects.get()
    debt = Owed.objects.get(incident=room, kind=Owed.Kind.REASON)
    assert debt.text.startswith("Say why the whole agent was stopped")
    actor = person()
    stop_words.give_reason(stop, actor=actor, wrong_share_percent=0.1, right_share_percent=99.9, reason="no tool alone")
    stop_words.plan_restore(stop, actor=actor, criteria="a thousand replays pass")
    moves.sweep()
    debt.refresh_from_db()
    assert (debt.given_by, debt.answer) == (actor.user, "no tool alone")
    told = list(room.timeline.filter(kind="note").values_list("text", flat=True))
    assert any("0.1 % went wrong, 99.9 % right was stopped with it" in text for text in told)
    assert any(text.startswith("Restore plan of customer-service/prod whole: a thousand") for text in told)
