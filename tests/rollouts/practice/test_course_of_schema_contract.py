"""The expected course of the schema contract: header, triage, the press that helps, and the version without another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.errors import OperationRefused
from incidents.operations import contain
from rollouts.telemetry import questions
from rollouts.telemetry.questions import Window
from tests.clock import MovableClock
from tests.rollouts.practice.course import Course

pytestmark = pytest.mark.django_db


def window(course: Course) -> Window:
    return Window(course.scenario.key, "prod", course.began, datetime.now(UTC) + timedelta(seconds=1))


def test_the_header_is_exact_and_triage_counts_failures_patterns_consumers_and_agents(clock: MovableClock) -> None:
    course = Course(clock, "schema-contract")
    room = course.alerted()
    header = room.header
    assert header["reference"] == "forge/prod/system/1.4.0"
    assert (header["metric"], header["comparator"], header["threshold"]) == ("schema_valid_rate", "<", 0.95)
    assert header["value"] == pytest.approx(0.80, abs=0.05)
    assert header["window"] == "3 s"
    assert abs(header["at"] - datetime.now(UTC)) < timedelta(seconds=2)
    assert room.severity == "SEV2"
    assert room.deployment == course.live_deployment
    triage(course)


def triage(course: Course) -> None:
    """How many, which patterns, under which version."""
    course.live(4)
    summary = questions.failure_summary(window(course))
    assert summary.schema_checked_runs == summary.total_runs > 150
    assert summary.failed_runs == summary.schema_checked_runs - summary.schema_valid_runs > 15
    patterns = {pattern.message for pattern in questions.failure_patterns(window(course))}
    assert {
        "due is not a date", "priority is not one of low, normal, high", "quantity is missing",
    } <= patterns <= {*patterns, "quantity is not a whole number"}  # fmt: skip
    who = questions.who(window(course))
    assert {agent.name for agent in who.agents} == {"forge-intake", "forge-repairs", "forge-restock"}
    assert not who.one_agent
    consumers = {taker.name: taker.failed for taker in who.consumers}
    assert consumers["work-orders"] == summary.failed_runs == sum(agent.failed for agent in who.agents)
    assert 0 < consumers["supplier-mail"] < consumers["work-orders"]
    assert consumers["stock-ledger"] == 0
    seen = {version.label: version.failed_share for version in questions.versions_seen(window(course))}
    assert seen["1.4.0"] == pytest.approx(0.20, abs=0.04)
    assert seen["1.3.2"] == pytest.approx(0.01, abs=0.02)
    would = questions.rollback_would(course.live_deployment, course.began, datetime.now(UTC))
    assert would is not None
    assert (would.target_label, would.advice) == ("1.3.2", "stop_the_bleed")


def test_rolling_back_to_the_last_good_recovers(clock: MovableClock) -> None:
    course = Course(clock, "schema-contract")
    contain.roll_back(course.alerted(), actor=course.responder)
    course.until(lambda: course.room.status == "recovered", 30)
    assert course.live_deployment.active is not None
    assert course.live_deployment.active.label == "1.3.2"
    assert course.rate > 0.95
    assert course.doors.said[-1] == "resolved"


def test_where_there_is_nothing_to_go_back_to_the_agent_is_stopped_and_a_human_gets_its_work(
    clock: MovableClock,
) -> None:
    course = Course(clock, "no-way-back")
    room = course.alerted()
    assert room.header["reference"] == "foundry/prod/system/1.0.0"
    with pytest.raises(OperationRefused, match="Nothing to go back to"):
        contain.roll_back(room, actor=course.responder)
    contain.stop(room, actor=course.responder, scope="whole")
    course.live(6)
    served = course.fleet.counts["rejected"]
    course.live(6)
    assert course.fleet.counts["rejected"] == served
    assert course.fleet.counts["handed_over"] > 0
    assert course.room.contained_at is not None
