"""What triage asks, answered from spans that were really stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import SiteRole
from rollouts.operations import gates
from rollouts.operations.kill_switch import stop
from rollouts.operations.roll_back import roll_back
from rollouts.telemetry import questions
from rollouts.telemetry.facts import ChangeKind, Dimension, FailureSummary, Window
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.rollouts import KEY, activate, deployment, running, version
from tests.spans import ERROR, UNSET, span, told

pytestmark = pytest.mark.django_db

AGENT = {"gen_ai.operation.name": "invoke_agent", "lastgood.bundle": KEY}


def runs(
    number: int,
    *,
    at: datetime,
    failed: int = 0,
    spread: timedelta = timedelta(minutes=10),
    tool: str = "",
    message: str = "over the limit of 100",
    resource: dict[str, Any] | None = None,
    said: dict[str, Any] | None = None,
) -> None:
    """``number`` runs evenly from ``at`` over ``spread``, the first ``failed`` of every stretch of them bad."""
    made = []
    for index in range(number):
        bad = index * failed // number != (index + 1) * failed // number if failed else False
        moment = at + spread * (index / number)
        told_of = AGENT | {"gen_ai.conversation.id": f"c{index % 7}"} | (said or {})
        if tool:
            told_of |= {"gen_ai.tool.name": tool, "gen_ai.operation.name": "execute_tool"}
        if bad:
            told_of |= {"error.type": "RefundLimit"}
        made.append(
            span(told_of, at=moment, status=ERROR if bad else UNSET, message=f"{message} {index}" if bad else "")
        )
    base = {"deployment.environment.name": "prod", "service.instance.id": "i-1", "cloud.region": "eu"}
    told(*made, resource=base | (resource or {}))


def window(at: datetime, minutes: float = 60, key: str = KEY, environment: str = "prod") -> Window:
    return Window(key, environment, at - timedelta(minutes=minutes), at)


def test_an_empty_window_has_an_answer_to_everything(noon: datetime) -> None:
    asked = window(noon)
    assert questions.failure_summary(asked) == FailureSummary(0, 0, 0, 0, 0)
    assert questions.failure_summary(asked).failed_share is None
    assert questions.first_failure(asked) is None
    assert questions.shared_by_failures(asked).differences == ()
    assert questions.failure_patterns(asked) == ()
    assert questions.samples(asked) == ()
    assert len(questions.rate_series(asked, timedelta(minutes=1))) == 60
    assert questions.harm_rate(asked).per_minute_now == 0
    assert questions.versions_seen(asked) == ()
    assert questions.changes_before(KEY, "prod", noon) == ()
    assert questions.overview(asked).first_failure is None


def test_runs_are_counted_not_spans(noon: datetime) -> None:
    for number in range(4):
        trace = f"{number + 1:032x}"
        agent = span(AGENT, trace=trace, span_id="a" * 16, at=noon - timedelta(minutes=5))
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
        calls = [
            span(tool, trace=trace, parent="a" * 16, at=noon - timedelta(minutes=5), status=ERROR if number == 0 else 0)
            for _ in range(3)
        ]
        told(agent, *calls)
    summary = questions.failure_summary(window(noon))
    assert (summary.total_runs, summary.failed_runs, summary.failed_share) == (4, 1, 0.25)


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last(noon: datetime) -> None:
    for minutes in (61, 60, 30, 0):
        runs(1, at=noon - timedelta(minutes=minutes), spread=timedelta(0))
    assert questions.failure_summary(window(noon)).total_runs == 2


def test_other_bundles_and_environments_are_other_windows(noon: datetime) -> None:
    at = noon - timedelta(minutes=20)
    runs(3, at=at)
    runs(2, at=at, resource={"deployment.environment.name": "staging"})
    runs(1, at=at, resource={"deployment.environment.name": ""})
    runs(5, at=at, said={"lastgood.bundle": "other"})
    counts = [
        questions.failure_summary(window(noon, key=key, environment=environment)).total_runs
        for key, environment in ((KEY, "prod"), (KEY, "staging"), ("other", "prod"), ("nobody", "prod"))
    ]
    assert counts == [4, 2, 5, 0]  # a span that names no environment counts as prod


def test_the_trouble_begins_where_failures_rose_and_not_at_the_first_of_them(noon: datetime) -> None:
    began = noon - timedelta(minutes=20)
    runs(400, at=noon - timedelta(minutes=60), failed=8, spread=timedelta(minutes=40))
    runs(200, at=began, failed=54, spread=timedelta(minutes=20))
    first = questions.first_failure(window(noon))
    assert first is not None
    assert first.rose
    assert abs(first.at - began) < timedelta(minutes=1)
    assert first.share_before == pytest.approx(0.02, abs=0.005)
    assert first.share_since == pytest.approx(0.27, abs=0.01)


def test_without_a_rise_the_first_bad_run_is_the_earliest(noon: datetime) -> None:
    runs(300, at=noon - timedelta(minutes=60), failed=9, spread=timedelta(minutes=60))
    first = questions.first_failure(window(noon))
    assert first is not None
    assert (first.rose, first.share_before) == (False, None)
    assert first.run == questions.samples(window(noon), newest=False, limit=1)[0]


def test_what_bad_runs_share_is_ranked_by_the_gap_causes_first(noon: datetime) -> None:
    at = noon - timedelta(minutes=30)
    runs(100, at=at, tool="lookup", said={"lastgood.version": "2.0.3"})
    runs(60, at=at, failed=58, tool="refund", resource={"cloud.region": "us"}, said={"lastgood.version": "2.1.0"})
    shared = questions.shared_by_failures(window(noon))
    assert (shared.bad_runs, shared.good_runs, shared.has_baseline) == (58, 102, True)
    values = [(each.dimension, each.value) for each in shared.differences]
    assert values[:3] == [
        (Dimension.REGION, "us"),
        (Dimension.TOOL, "refund"),
        (Dimension.VERSION, "2.1.0"),
    ]
    assert values[-1] == (Dimension.ERROR_TYPE, "RefundLimit")
    top = shared.differences[0]
    assert (top.bad_runs, top.good_runs, top.bad_share) == (58, 2, 1.0)
    assert top.gap == pytest.approx(1 - 2 / 102)
    assert (Dimension.INSTANCE, "i-1") not in values  # everybody has it


def test_very_many_runs_are_compared_by_an_even_sample(noon: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(300, at=noon - timedelta(minutes=60), failed=30, spread=timedelta(minutes=60))
    whole = questions.shared_by_failures(window(noon))
    assert (whole.bad_runs, whole.good_runs) == (30, 270)
    monkeypatch.setattr("rollouts.telemetry.postgres.SLICES", 10)
    monkeypatch.setattr("rollouts.telemetry.postgres.SLICE_RUNS", 5)
    sampled = questions.shared_by_failures(window(noon))
    assert (sampled.bad_runs, sampled.good_runs) == (30, 50)


def test_runs_that_failed_alike_are_one_pattern_with_an_example(noon: datetime) -> None:
    at = noon - timedelta(minutes=30)
    runs(10, at=at, failed=10, message="order 1234 is over the limit of 100 for 9f8e7d6c5b4a")
    runs(4, at=at, failed=4, message="the tool did not answer")
    patterns = questions.failure_patterns(window(noon))
    assert [(found.error_type, found.runs, found.message) for found in patterns] == [
        ("RefundLimit", 10, "order # is over the limit of # for # #"),
        ("RefundLimit", 4, "the tool did not answer #"),
    ]
    assert patterns[0].share_of_failures == pytest.approx(10 / 14)
    example = patterns[0].example
    assert example.failed
    spans = questions.spans_of(example.day, example.trace_id)
    assert [(found.day, found.id) for found in spans] == [(example.day, example.invocation_id)]


def test_samples_are_filtered_by_what_they_share(noon: datetime) -> None:
    at = noon - timedelta(minutes=30)
    runs(6, at=at, failed=3, tool="refund")
    runs(6, at=at, failed=3, tool="lookup", resource={"cloud.region": "us"})
    asked = window(noon)
    assert len(questions.samples(asked)) == 6
    assert len(questions.samples(asked, failed=None)) == 12
    assert len(questions.samples(asked, failed=False, limit=4)) == 4
    assert {found.tools for found in questions.samples(asked, dimension=Dimension.TOOL, value="refund")} == {
        ("refund",)
    }
    assert {found.region for found in questions.samples(asked, dimension=Dimension.REGION, value="us")} == {"us"}
    for dimension in Dimension:
        assert questions.samples(asked, dimension=dimension, value="'; --") == ()
    newest = [found.at for found in questions.samples(asked, failed=None)]
    assert newest == sorted(newest, reverse=True)


def test_a_series_has_no_gaps_and_adds_up(noon: datetime) -> None:
    runs(30, at=noon - timedelta(minutes=30), failed=6)
    series = questions.rate_series(window(noon), timedelta(minutes=7))
    assert len(series) == 9
    assert series[0].at == noon - timedelta(minutes=60)
    assert (sum(each.total_runs for each in series), sum(each.failed_runs for each in series)) == (30, 6)
    assert series[0].failed_share is None


@pytest.mark.parametrize(("last", "rising"), [(60, True), (5, False)])
def test_harm_that_grows_is_told_from_harm_that_does_not(noon: datetime, last: int, rising: bool) -> None:
    runs(20, at=noon - timedelta(minutes=60), failed=20, spread=timedelta(minutes=54))
    runs(last, at=noon - timedelta(minutes=6), failed=last, spread=timedelta(minutes=6))
    harm = questions.harm_rate(window(noon))
    assert harm.still_rising is rising
    assert harm.per_minute_now == pytest.approx(last / 6)
    assert harm.per_minute_peak >= harm.per_minute_now


def test_who_saw_which_version(noon: datetime) -> None:
    version(KEY, "2.0.3")
    made = version(KEY, "2.1.0")
    runs(30, at=noon - timedelta(minutes=40), said={"lastgood.version": "2.0.3"})
    runs(10, at=noon - timedelta(minutes=20), failed=5, said={"lastgood.version": made.number})
    old, new = questions.versions_seen(window(noon))
    assert (old.label, old.runs, old.conversations, old.share_of_runs) == ("2.0.3", 30, 7, 0.75)
    assert (new.number, new.label, new.failed_share) == (made.number, "2.1.0", 0.5)
    assert new.first_at == noon - timedelta(minutes=20)


def test_the_overview_says_what_its_parts_say_in_two_statements(
    noon: datetime, django_assert_max_num_queries: Any
) -> None:
    runs(200, at=noon - timedelta(minutes=60), failed=2, spread=timedelta(minutes=40))
    runs(100, at=noon - timedelta(minutes=20), failed=30, spread=timedelta(minutes=20))
    asked = window(noon)
    with django_assert_max_num_queries(2):
        seen = questions.overview(asked)
    assert seen.summary == questions.failure_summary(asked)
    assert seen.first_failure == questions.first_failure(asked)
    assert seen.series == questions.rate_series(asked, timedelta(seconds=30))


def test_every_question_is_one_statement(noon: datetime, django_assert_num_queries: Any) -> None:
    runs(20, at=noon - timedelta(minutes=20), failed=5)
    asked = window(noon)
    for ask in (
        lambda: questions.failure_summary(asked),
        lambda: questions.shared_by_failures(asked),
        lambda: questions.failure_patterns(asked),
        lambda: questions.samples(asked),
        lambda: questions.rate_series(asked, timedelta(minutes=1)),
        lambda: questions.versions_seen(asked),
        lambda: questions.who(asked),
    ):
        with django_assert_num_queries(1):
            ask()


# -- what changed --------------------------------------------------------------------------------------------------
def test_what_changed_is_told_nearest_first_with_the_parts(clock: MovableClock, noon: datetime) -> None:
    where = running("2.0.3")
    clock.advance(hours=2)
    made = version(KEY, "2.1.0", model={"snapshot": "claude-sonnet-4-5-20260601"})
    activate(made)
    clock.advance(minutes=15)
    asked = clock.now()
    found = questions.changes_before(KEY, "prod", asked)
    nearest = next(change for change in found if change.kind == ChangeKind.PROMOTION)
    assert nearest.sentence == "2.1.0 replaced 2.0.3: model and prompt changed." or nearest.sentence == (
        "2.1.0 replaced 2.0.3: prompt and model changed."
    )
    assert nearest.minutes_before == pytest.approx(15, abs=0.2)
    assert (nearest.from_label, nearest.to_label, set(nearest.parts)) == ("2.0.3", "2.1.0", {"prompt", "model"})
    assert (nearest.same_bundle, nearest.actor_kind) == (True, "person")
    assert [change.at for change in found] == sorted((change.at for change in found), reverse=True)
    roll_back(where, actor=person(SiteRole.RESPONDER))
    stop(where, actor=person(SiteRole.RESPONDER), reason="hold on")
    clock.advance(minutes=2)
    kinds = [change.kind for change in questions.changes_before(KEY, "prod", clock.now())]
    assert {ChangeKind.ROLLBACK, ChangeKind.STOP, ChangeKind.GATE} <= set(kinds)
    assert all(change.at <= asked + timedelta(seconds=30) for change in questions.changes_before(KEY, "prod", asked))


def test_a_sender_whose_clock_is_a_little_behind_is_still_told_what_came_before(noon: datetime) -> None:
    where = running("2.0.3")
    assert where.activated_at is not None
    a_little, too_much = where.activated_at - timedelta(seconds=20), where.activated_at - timedelta(seconds=40)
    nearest = questions.changes_before(KEY, "prod", a_little)[0]
    assert (nearest.to_label, nearest.minutes_before) == ("2.0.3", 0.0)
    assert questions.changes_before(KEY, "prod", too_much) == ()


def test_three_weeks_are_looked_back_and_not_only_to_the_last_deploy(clock: MovableClock, noon: datetime) -> None:
    running("2.0.3")
    clock.advance(days=20)
    assert any(each.to_label == "2.0.3" for each in questions.changes_before(KEY, "prod", clock.now()))
    clock.advance(days=2)
    assert questions.changes_before(KEY, "prod", clock.now()) == ()


def test_another_variant_of_the_agent_is_told_of_and_marked(clock: MovableClock, noon: datetime) -> None:
    running("2.0.3")
    activate(version(f"{KEY}.vip", "1.0.0"))
    clock.advance(minutes=1)
    found = questions.changes_before(KEY, "prod", clock.now())
    assert {change.bundle_key: change.same_bundle for change in found} == {KEY: True, f"{KEY}.vip": False}


def test_a_red_gate_is_among_what_happened(clock: MovableClock, noon: datetime) -> None:
    made = version(KEY, "2.0.3")
    gates.record(made, "evals", "red", actor=person(SiteRole.APPROVER))
    clock.advance(minutes=1)
    (change,) = questions.changes_before(KEY, "prod", clock.now())
    assert change.sentence == "Gate evals was red for 2.0.3."


def test_a_model_that_another_answers_for_is_a_change_nobody_here_made(clock: MovableClock, noon: datetime) -> None:
    asked = {"gen_ai.request.model": "gpt-5"}
    moved = noon - timedelta(days=3)
    runs(5, at=noon - timedelta(days=12), said=asked | {"gen_ai.response.model": "gpt-5-2026-08-01"})
    runs(5, at=moved, said=asked | {"gen_ai.response.model": "gpt-5-2026-11-17"})
    (change,) = questions.changes_before(KEY, "prod", noon)
    assert (change.kind, change.at, change.pk) == (ChangeKind.MODEL, moved, None)
    assert change.sentence == "gpt-5 began to be answered by gpt-5-2026-11-17 instead of gpt-5-2026-08-01."


# -- what going back would do --------------------------------------------------------------------------------------
def would(at: datetime) -> Any:
    return questions.rollback_would(deployment(), at - timedelta(minutes=30), at)


def test_going_back_stops_the_bleed_when_the_new_version_fails_more(clock: MovableClock, noon: datetime) -> None:
    running("2.0.3", "2.1.0")
    runs(200, at=noon - timedelta(minutes=25), failed=4, said={"lastgood.version": "2.0.3"})
    runs(100, at=noon, failed=29, said={"lastgood.version": "2.1.0"})
    found = would(noon + timedelta(minutes=10))
    assert (found.advice, found.active_label, found.target_label) == ("stop_the_bleed", "2.1.0", "2.0.3")
    assert (found.active_failed_share, found.target_failed_share) == (0.29, 0.02)
    assert found.parts_reverted == ("prompt",)
    assert found.sentence == (
        "2.1.0 failed 29 % of 100 runs; 2.0.3 failed 2.0 % of 200. Going back changes the prompt."
    )


def test_going_back_does_not_help_when_both_fail_alike(clock: MovableClock, noon: datetime) -> None:
    running("2.0.3", "2.1.0")
    for label in ("2.0.3", "2.1.0"):
        runs(100, at=noon - timedelta(minutes=5), failed=20, said={"lastgood.version": label})
    assert would(noon + timedelta(minutes=10)).advice == "not_help"


def test_too_few_runs_tell_nothing(clock: MovableClock, noon: datetime) -> None:
    running("2.0.3", "2.1.0")
    assert would(noon).advice == "not_sure"
    runs(100, at=noon, failed=50, said={"lastgood.version": "2.1.0"})
    found = would(noon + timedelta(minutes=10))
    assert found.advice == "not_sure"
    assert "too few runs of 2.0.3" in found.sentence


def test_a_suspect_that_is_the_same_in_both_is_said(clock: MovableClock, noon: datetime) -> None:
    running("2.0.3", "2.1.0")
    runs(200, at=noon - timedelta(minutes=25), failed=2, said={"lastgood.version": "2.0.3"})
    new = {"lastgood.version": "2.1.0"}
    runs(100, at=noon, said=new)
    runs(40, at=noon, failed=40, resource={"cloud.region": "us"}, said=new)
    found = would(noon + timedelta(minutes=10))
    assert (found.suspect, found.suspect_reverted, found.advice) == ("region us", False, "not_sure")
    assert "which is the same in both versions" in found.sentence


def test_with_nothing_to_go_back_to_there_is_no_answer() -> None:
    where = running("2.0.3")
    assert questions.rollback_would(where, where.activated_at, where.activated_at) is None  # type: ignore[arg-type]
