"""The expected course of each injected fault: what is seen, which press helps, and which does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from incidents.operations import contain
from rollouts.models import BundleVersion
from rollouts.operations.promote import promote
from rollouts.operations.roll_back import roll_back
from rollouts.telemetry import questions
from rollouts.telemetry.facts import ChangeKind, Dimension
from rollouts.telemetry.questions import Window
from tests.clock import MovableClock
from tests.factories.rollouts import deployment
from tests.rollouts.practice.course import Course

pytestmark = pytest.mark.django_db


def window(course: Course, key: str = "") -> Window:
    return Window(key or course.scenario.key, "prod", course.began, datetime.now(UTC) + timedelta(seconds=1))


def recovered(course: Course) -> bool:
    return bool(course.room.status == "recovered")


# -- a new version in a pool -----------------------------------------------------------------------------------------
def test_only_the_share_that_got_the_new_version_is_refused_and_rolling_it_back_recovers(clock: MovableClock) -> None:
    course = Course(clock, "canary", customers=50)
    room = course.alerted()
    assert room.header["reference"] == "concierge/prod/canary/3.2.0"
    course.live(4)
    pool = questions.failure_summary(window(course))
    main = questions.failure_summary(window(course, "concierge"))
    shares = {seen.label: seen.failed_share for seen in questions.versions_seen(window(course))}
    assert shares["3.1.4"] == 0
    assert shares["3.2.0"] == pytest.approx(0.22, abs=0.08)
    assert main.failed_runs == 0
    assert pool.refused_runs == pool.failed_runs
    assert pool.total_runs / (pool.total_runs + main.total_runs) == pytest.approx(0.2, abs=0.05)
    assert {pattern.message for pattern in questions.failure_patterns(window(course))} >= {
        "declined: a question about an allergy", "declined: a question about a child",
    }  # fmt: skip
    contain.roll_back(room, actor=course.responder)
    course.until(lambda: recovered(course), 30)
    assert course.rate > 0.95


# -- one region ------------------------------------------------------------------------------------------------------
def test_when_one_region_fails_rolling_back_does_not_help(clock: MovableClock) -> None:
    course = Course(clock, "one-region")
    room = course.alerted()
    (shared, *_) = questions.shared_by_failures(window(course)).differences
    assert (shared.dimension, shared.value) == (Dimension.REGION, "eu")
    would = questions.rollback_would(course.live_deployment, course.began, datetime.now(UTC))
    assert would is not None
    assert would.advice != "stop_the_bleed"
    contain.roll_back(room, actor=course.responder)
    course.live(8)
    assert course.rate < 0.9
    assert not recovered(course)
    assert not course.fleet.turns.mended


def test_stopping_the_region_recovers_the_rest_and_the_gateway_is_mended_meanwhile(clock: MovableClock) -> None:
    course = Course(clock, "one-region")
    contain.stop(course.alerted(), actor=course.responder, scope="region:eu")
    course.until(lambda: recovered(course), 20)
    assert course.fleet.counts["handed_over"] > 0
    course.until(lambda: course.fleet.turns.mended, 10)
    contain.release(course.room, actor=course.responder, scope="region:eu", reason="mended")
    handed = course.fleet.counts["handed_over"]
    course.live(10)
    assert course.fleet.counts["handed_over"] - handed < 60  # those of the tick before everybody had polled
    assert course.rate > 0.95


# -- the provider ----------------------------------------------------------------------------------------------------
def test_a_provider_update_is_found_among_the_changes_and_rolling_back_does_not_help(clock: MovableClock) -> None:
    course = Course(clock, "provider-update")
    room = course.alerted()
    first = questions.first_failure(window(course))
    assert first is not None
    changes = questions.changes_before("mail-sorter", "prod", datetime.now(UTC))
    (moved,) = [change for change in changes if change.kind == ChangeKind.MODEL]
    assert (moved.from_label, moved.to_label) == ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2026-11-05")
    assert moved.sentence.startswith("gateway/gpt-4.1-mini began to be answered by")
    assert abs(moved.at - first.at) < timedelta(seconds=10)
    assert [change.kind for change in changes if change.at > moved.at] == []

    contain.roll_back(room, actor=course.responder)
    course.live(8)
    assert course.rate < 0.9
    assert not recovered(course)


def test_the_fix_asks_for_the_snapshot_by_its_date_and_recovers(clock: MovableClock) -> None:
    course = Course(clock, "provider-update")
    course.alerted()
    course.push_the_fix()
    promote(
        deployment("mail-sorter"),
        BundleVersion.objects.get(label="4.0.2"),
        actor=course.responder,
        waiver_reason="a human watches",
        waiver_expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    course.until(lambda: recovered(course), 20)
    assert course.rate > 0.95


# -- the refund limit, and its end -----------------------------------------------------------------------------------
def test_the_refund_limit_recovers_by_rolling_back_and_ends_by_itself(clock: MovableClock) -> None:
    course = Course(clock, "refund-limit", over=5)
    contain.roll_back(course.alerted(), actor=course.responder)
    course.until(lambda: recovered(course), 30)
    assert course.fleet.counts["retried"] == course.fleet.counts["retried_refunded"] > 0
    course.until(lambda: course.rested, 20)
    course.run.refresh_from_db()
    assert course.run.report["phase"] == "over"


def test_a_scenario_that_nobody_contains_goes_on(clock: MovableClock) -> None:
    course = Course(clock, "refund-limit", over=5)
    course.alerted()
    course.live(8)
    assert not course.rested
    assert course.rate < 0.8
    roll_back(course.live_deployment, actor=course.responder)
    course.until(lambda: recovered(course), 30)
