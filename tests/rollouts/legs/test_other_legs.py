"""What the machine counts and forecasts for the other legs, and what people decide about them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts import clock as now
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import Scope, SiteRole
from rollouts.models import EvalBaseline, Rollback
from rollouts.operations import baselines, drain, leg_decisions, leg_work
from rollouts.operations.looks import downstream, prefix_cache
from rollouts.operations.roll_back import roll_back
from tests import hooks
from tests.clock import MovableClock
from tests.factories.accounts import machine, person
from tests.factories.connectors import webhook
from tests.factories.rollouts import KEY, activate, deployment, running, version
from tests.spans import span, told

pytestmark = pytest.mark.django_db
PROD = {"deployment.environment.name": "prod"}


def call(at: datetime, label: str, *, read: int, cost: float, seconds: float) -> dict[str, Any]:
    said = {
        "gen_ai.operation.name": "chat",
        "lastgood.bundle": KEY,
        "lastgood.version": label,
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cost": cost,
    }
    return span(said, at=at, seconds=seconds)


def back(*labels: str) -> Rollback:
    return roll_back(running(*labels), actor=person())[0]


# -- prefix cache ----------------------------------------------------------------------------------------------------
def test_the_cost_of_a_cold_cache_is_forecast_from_stored_calls(noon: datetime, clock: MovableClock) -> None:
    where = running("1.0.0", "2.0.0")
    clock.advance(hours=1)
    warm = [call(noon + timedelta(minutes=n), "2.0.0", read=800, cost=0.01, seconds=1.0) for n in range(10)]
    cold = [call(noon + timedelta(minutes=n), "2.0.0", read=0, cost=0.02, seconds=1.5) for n in range(5)]
    told(*warm, *cold, resource=PROD)
    made = roll_back(where, actor=person())[0]
    leg_work.work_due()
    forecast = made.legs.get(kind="prefix_cache").evidence.get(kind="forecast")
    assert (forecast.data["warm_calls"], forecast.data["cold_calls"]) == (10, 5)
    assert forecast.data["latency_percent"] == 50
    assert forecast.data["cost_percent"] in {100, None}
    assert "15 of 15 model calls" in forecast.source
    at = made.flipped_at + timedelta(minutes=20)
    assert prefix_cache.expected(where.pk, "p95_latency_ms", at) == forecast
    assert prefix_cache.expected(where.pk, "error_rate", at) is None
    assert prefix_cache.expected(where.pk, "p95_latency_ms", made.flipped_at + timedelta(hours=2)) is None
    assert prefix_cache.expected(where.pk, "p95_latency_ms", made.flipped_at - timedelta(minutes=1)) is None


def test_without_calls_that_tell_of_their_cache_there_is_no_forecast() -> None:
    made = back("1.0.0", "2.0.0")
    leg_work.work_due()
    evidence = made.legs.get(kind="prefix_cache").evidence.get()
    assert (evidence.kind, evidence.count) == ("count", None)
    assert prefix_cache.expected(made.deployment_id, "latency", now.now()) is None


# -- baseline --------------------------------------------------------------------------------------------------------
def graded(label: str) -> Rollback:
    """A rollback of 2.0.0, which names its eval set, while the baseline stands on the version called ``label``."""
    activate(version(label="1.0.0", metadata={"eval_set": "golden"}))
    activate(version(label="2.0.0", metadata={"eval_set": "golden"}))
    stands = deployment().bundle.versions.get(label=label)
    baselines.adopt(stands, actor=person(SiteRole.APPROVER), eval_set="golden")
    return roll_back(deployment(), actor=person())[0]


def test_a_baseline_adopted_from_the_bad_version_cannot_grade_until_somebody_re_anchors_it() -> None:
    made = graded("2.0.0")
    bundle = made.deployment.bundle
    with pytest.raises(OperationRefused, match=r"cannot grade: 2\.0\.0 was rolled back from in customer-service/prod"):
        baselines.grading(bundle, "golden")
    with pytest.raises(OperationRefused, match="is no baseline"):
        baselines.adopt(made.from_version, actor=person(SiteRole.APPROVER), eval_set="other")
    leg_work.work_due()
    leg = made.legs.get(kind="baseline")
    assert (leg.state, leg.evidence.get(kind="count").count) == ("open", 1)
    actor = person()
    leg_decisions.decide(leg, actor=actor, subject="golden", choice="re_anchor")
    leg.refresh_from_db()
    assert (leg.state, leg.closed_by, leg.reason) == ("done", actor.user, "golden: re_anchor")
    assert baselines.grading(bundle, "golden").version == made.to_version


def test_pinning_holds_the_baseline_of_before() -> None:
    activate(version(label="0.9.0"))
    stands = deployment().bundle.versions.get(label="0.9.0")
    baselines.adopt(stands, actor=person(SiteRole.APPROVER), eval_set="golden")
    made = graded("2.0.0")
    leg_decisions.decide(made.legs.get(kind="baseline"), actor=person(), subject="golden", choice="pin")
    held = EvalBaseline.objects.get(ended_at=None)
    assert (held.version, held.pinned) == (stands, True)


def test_a_baseline_that_stands_elsewhere_is_the_machine_s_evidence_that_nothing_is_to_be_done() -> None:
    made = graded("1.0.0")
    leg_work.work_due()
    leg = made.legs.get(kind="baseline")
    assert (leg.state, leg.closed_by, leg.closed_by_label) == ("done", None, "Lastgood")
    assert "golden on 1.0.0" in leg.reason


# -- experiment ------------------------------------------------------------------------------------------------------
def test_the_contamination_window_is_counted_and_an_experiment_can_be_dead(noon: datetime, clock: MovableClock) -> None:
    activate(version(label="1.0.0"))
    clock.advance(hours=1)
    activate(version(label="2.0.0", metadata={"experiment": "exp-7"}))
    clock.advance(hours=1)
    said = {"gen_ai.operation.name": "invoke_agent", "lastgood.bundle": KEY}
    old = [span(said | {"lastgood.version": "1.0.0"}, at=noon + timedelta(minutes=10 + n)) for n in range(3)]
    bad = [span(said | {"lastgood.version": "2.0.0"}, at=noon + timedelta(minutes=70 + n)) for n in range(5)]
    told(*old, *bad, resource=PROD)
    made = roll_back(deployment(), actor=person())[0]
    leg_work.work_due()
    leg = made.legs.get(kind="experiment")
    counted = leg.evidence.get(kind="count").data
    assert (counted["before"]["runs"], counted["contaminated"]["runs"], counted["after"]["runs"]) == (3, 5, 0)
    leg_decisions.decide(leg, actor=person(), subject="exp-7", choice="dead", note="arm B is useless")
    leg.refresh_from_db()
    assert (leg.state, leg.reason) == ("done", "exp-7: dead")


# -- downstream ------------------------------------------------------------------------------------------------------
ORDER = {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "number"}}, "required": ["id"]}
WIDER = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "total": {"type": "number"}, "tax": {"type": "number"}},
    "required": ["order_id"],
}


def tool(output: dict[str, Any]) -> dict[str, Any]:
    return {"name": "get_order", "input_schema": {"type": "object"}, "output_schema": output}


def test_what_breaks_is_what_a_consumer_of_the_bad_shape_no_longer_finds() -> None:
    broken = [
        f"{each.path} {each.kind}" for each in downstream.broken({"tools": [tool(WIDER)]}, {"tools": [tool(ORDER)]})
    ]
    assert any("tax" in each and "removed" in each for each in broken)
    assert any("order_id" in each for each in broken)
    assert not any("total" in each for each in broken)
    assert list(downstream.broken({"tools": [tool(ORDER)]}, {"tools": [tool(ORDER)]})) == []


def test_consumers_that_had_moved_are_named_and_each_is_decided_for(noon: datetime, clock: MovableClock) -> None:
    activate(version(label="1.0.0", tools=[tool(ORDER)]))
    activate(version(label="2.0.0", tools=[tool(WIDER)]))
    clock.advance(hours=1)
    said = {"lastgood.bundle": KEY, "lastgood.version": "2.0.0", "gen_ai.conversation.id": "c"}
    for service in ("refunds-ui", "billing"):
        told(span(said, at=noon + timedelta(minutes=9)), resource=PROD | {"service.name": service})
    made = roll_back(deployment(), actor=person())[0]
    leg_work.work_due()
    leg = made.legs.get(kind="downstream")
    shape, who = leg.evidence.filter(kind="count")
    assert shape.count
    assert [each["consumer"] for each in who.data["consumers"]] == ["billing", "refunds-ui"]
    leg_decisions.decide(leg, actor=person(), subject="billing", choice="revert_parser")
    leg.refresh_from_db()
    assert leg.state == "open", "refunds-ui is still to be decided for"
    leg_decisions.decide(leg, actor=person(), subject="refunds-ui", choice="forward_fix")
    leg.refresh_from_db()
    assert (leg.state, leg.reason) == ("done", "billing: revert_parser; refunds-ui: forward_fix")


def test_a_decision_is_carried_outside_before_its_leg_is_done(loopback: None) -> None:
    activate(version(label="1.0.0", tools=[tool(ORDER)]))
    activate(version(label="2.0.0", tools=[tool(WIDER)]))
    with hooks.listening() as hook:
        webhook(hook, "downstream")
        made = roll_back(deployment(), actor=person())[0]
        leg_work.work_due()
        assert hook.got == [], "nothing is decided yet"
        leg = made.legs.get(kind="downstream")
        leg_decisions.decide(leg, actor=person(), subject="consumers", choice="revert_parser")
        leg.refresh_from_db()
        assert leg.state == "running"
        leg_work.work_due()
        leg.refresh_from_db()
    assert leg.state == "done"
    assert (hook.events[0]["subject"], hook.events[0]["choice"]) == ("consumers", "revert_parser")


def test_deciding_is_a_person_s_and_only_what_is_known(hook: hooks.Hook) -> None:
    activate(version(label="1.0.0"))
    activate(version(label="2.0.0", metadata={"experiment": "exp-7"}))
    made = roll_back(deployment(), actor=person())[0]
    leg = made.legs.get(kind="experiment")
    with pytest.raises(NotPermitted):
        leg_decisions.decide(leg, actor=machine(Scope.CONTAIN), subject="exp-7", choice="dead")
    with pytest.raises(OperationRefused, match="Choose dead or restart"):
        leg_decisions.decide(leg, actor=person(), subject="exp-7", choice="pin")
    with pytest.raises(OperationRefused, match="is about exp-7"):
        leg_decisions.decide(leg, actor=person(), subject="exp-8", choice="dead")
    with pytest.raises(OperationRefused, match="Nothing is decided about flip"):
        leg_decisions.decide(made.legs.get(kind="flip"), actor=person(), subject="x", choice="dead")


# -- what belongs to the rollback ------------------------------------------------------------------------------------
def test_side_effects_already_done_are_listed_as_not_undone(noon: datetime, clock: MovableClock) -> None:
    where = running("1.0.0", "2.0.0")
    clock.advance(hours=1)
    said = {"gen_ai.operation.name": "execute_tool", "lastgood.bundle": KEY, "lastgood.version": "2.0.0"}
    refunds = [span(said | {"gen_ai.tool.name": "refund"}, at=noon + timedelta(minutes=n + 1)) for n in range(4)]
    mails = [span(said | {"gen_ai.tool.name": "send_mail"}, at=noon + timedelta(minutes=n + 1)) for n in range(2)]
    told(*refunds, *mails, resource=PROD)
    made = roll_back(where, actor=person())[0]
    leg_work.work_due()
    evidence = made.legs.get(kind="flip").evidence.get(kind="count")
    assert evidence.text.startswith("Not undone: 4 refund, 2 send_mail, called by 2.0.0")
    assert evidence.count == 6


def test_in_flight_work_is_counted_by_those_who_hold_it_and_a_report_sent_twice_changes_nothing() -> None:
    made = back("1.0.0", "2.0.0")
    for _ in range(2):
        drain.report(made, actor=machine(Scope.TELEMETRY), instance="eu-1", retried=120, retried_ok=120, remaining=0)
        drain.report(made, actor=machine(Scope.TELEMETRY), instance="eu-2", retried=80, retried_ok=80, remaining=0)
    counts = drain.totals(made)
    assert (counts["retried"], counts["retried_ok"], counts["remaining"], counts["reports"]) == (200, 200, 0, 2)
    assert drain.has_drained(made)
    drain.report(made, actor=machine(), instance="eu-3")
    assert drain.totals(made)["remaining"] is None, "one does not say"
    with pytest.raises(OperationRefused, match="was 120 before"):
        drain.report(made, actor=machine(), instance="eu-1", retried=5)
    with pytest.raises(OperationRefused, match="More succeeded than were retried"):
        drain.report(made, actor=machine(), instance="eu-4", retried=1, retried_ok=2)
    with pytest.raises(NotPermitted):
        drain.report(made, actor=person(), instance="eu-1")
