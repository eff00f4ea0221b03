"""The expected course of the kill switch that took 43 minutes: pressed at once, followed late, counted meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incidents.operations import contain, moves
from rollouts import switchboard
from rollouts.damage import Verdict
from rollouts.models import Containment, Stop
from rollouts.telemetry import stop_watch
from rollouts.telemetry.after_stop import effects
from tests.clock import MovableClock
from tests.rollouts.practice.course import Course

pytestmark = pytest.mark.django_db
#: A minute and a half in true time; here the story is told in fewer seconds, and still longer than a minute.
SLOW = 70


def measured(course: Course) -> Containment | None:
    course.doors.write_down()
    stop_watch.watch()
    return Containment.objects.filter(stop__released_at=None).select_related("stop").first()


def test_a_press_is_followed_one_instance_after_the_other_and_the_switch_is_theater(clock: MovableClock) -> None:
    course = Course(clock, "slow-kill-switch", slow_poll=SLOW, customers=12)
    room = course.alerted()
    assert room.header["metric"] == "asked_for_rate"
    course.doors.write_down()
    before = switchboard.row(course.live_deployment, "whole")
    assert before.judged.verdict == Verdict.UNMEASURED
    assert before.findings == ()

    contain.stop(room, actor=course.responder, scope="whole")
    course.live(8)
    early = measured(course)
    assert early is not None
    assert 0 < early.reached < early.instances == 20
    assert early.acts_after is not None
    assert early.acts_after > 0
    assert early.seconds is None
    room.refresh_from_db()
    assert room.contained_at is not None  # pressed is not stopped: the record says when it was, the proof when it held

    course.live(SLOW)
    late = measured(course)
    assert late is not None
    assert late.reached == late.instances == 20
    assert late.p50_ms is not None
    assert late.max_ms is not None
    assert SLOW * 0.3 < late.p50_ms / 1000 < SLOW * 0.7
    assert SLOW * 0.8 < late.max_ms / 1000 <= SLOW + 1
    assert late.seconds == pytest.approx(late.max_ms / 1000, abs=3)
    row = switchboard.row(course.live_deployment, "whole")
    assert row.judged.verdict == Verdict.THEATER
    assert {floor.unit: round(floor.amount / row.seconds, 2) for floor in row.floors if row.seconds} == {
        "actions_per_second": 0.96, "calls_per_second": 6.24, "messages_per_second": 0.24,
    }  # fmt: skip


def test_what_was_done_meanwhile_is_counted_and_after_a_minute_it_is_an_alarm(clock: MovableClock) -> None:
    course = Course(clock, "slow-kill-switch", slow_poll=SLOW, customers=12)
    contain.stop(course.alerted(), actor=course.responder, scope="whole")
    course.live(SLOW + 2)
    course.doors.write_down()
    stop_watch.watch()
    stop = Stop.objects.select_related("kill_switch__deployment__bundle").get()
    done = effects(stop, datetime.now(UTC))
    assert done is not None
    counts = {each.tool: each.calls for each in done.tools}
    # Of twelve customers a second, half of them over, 4 in a hundred a ticket, 26 a charge, 1 a mail.
    answered = 12 * SLOW / 2
    assert counts["open_ticket"] == pytest.approx(answered * 0.04, rel=0.5)
    assert counts["charge_account"] == pytest.approx(answered * 0.26, rel=0.35)
    assert counts["charge_account"] > 4 * counts["open_ticket"] > 4 * counts["send_mail"] / 2 > 0
    moves.sweep()
    assert course.room.timeline.filter(text__startswith="Still running after the stop").count() == 1


def test_after_it_has_held_rolling_back_and_releasing_recovers(clock: MovableClock) -> None:
    course = Course(clock, "slow-kill-switch", slow_poll=4, customers=12)
    contain.stop(course.alerted(), actor=course.responder, scope="whole")
    course.live(6)
    contain.roll_back(course.room, actor=course.responder)
    contain.release(course.room, actor=course.responder, scope="whole", reason="7.0.0 is careful")
    course.until(lambda: course.room.status == "recovered", 20)
    assert course.rate > 0.95
