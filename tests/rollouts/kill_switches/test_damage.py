"""Rate × latency, and what a stop that comes too late is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.damage import UNITS, Verdict, compare, floors, judge

MINUTE = 60


def test_the_kill_switch_that_took_43_minutes_did_at_least_1200_tickets_and_8000_calls() -> None:
    seconds = 43 * MINUTE
    rates = {"actions_per_second": 1200 / seconds, "calls_per_second": 8000 / seconds, "usd_per_second": None}
    assert [str(floor) for floor in floors(rates, seconds)] == ["≥ 1\u202f200 actions", "≥ 8\u202f000 calls"]
    judged = judge(seconds, blast_seconds=10 * MINUTE, budget_seconds=30)
    assert (judged.verdict, judged.is_red) == (Verdict.THEATER, True)
    assert "43 min" in judged.sentence
    assert judged.comparisons[0].startswith("slower than a deploy")


def test_one_of_a_kind_and_money_have_words_of_their_own() -> None:
    (calls, dollars, message) = floors(
        {"calls_per_second": 0.5, "usd_per_second": 0.123, "messages_per_second": 0.001}, 41
    )
    assert (calls.words, dollars.words, message.words) == ("21 calls", "$5.04", "1 message")


@pytest.mark.parametrize(
    ("seconds", "blast", "budget", "verdict"),
    [
        (None, 60, 5, Verdict.UNMEASURED),
        (61, 60, None, Verdict.THEATER),
        (60, 60, None, Verdict.IN_TIME),
        (41, 60, 30, Verdict.LATE),
        (41, 30, 30, Verdict.THEATER),
        (601, None, None, Verdict.THEATER),
        (599, None, None, Verdict.IN_TIME),
    ],
)
def test_a_stop_is_judged_by_the_blast_first(
    seconds: float | None, blast: float | None, budget: float | None, verdict: Verdict
) -> None:
    assert judge(seconds, blast_seconds=blast, budget_seconds=budget).verdict == verdict


def test_what_nobody_has_measured_has_no_floor_and_is_red() -> None:
    assert floors({"actions_per_second": 3.0}, None) == ()
    assert judge(None, blast_seconds=None, budget_seconds=None).is_red


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (1, ("quicker than a deploy", "before a screenshot", "within the goal")),
        (7, ("quicker than a deploy", "before a screenshot", "over the goal")),
        (25, ("no quicker than a deploy", "after a screenshot", "over the goal")),
        (43, ("slower than a deploy", "after a screenshot", "over the goal")),
    ],
)
def test_a_latency_stands_beside_the_deploy_path_the_public_and_the_goal(
    minutes: int, words: tuple[str, str, str]
) -> None:
    assert all(said.startswith(word) for said, word in zip(compare(minutes * MINUTE), words, strict=True))


@given(
    st.floats(0, 1e6), st.floats(0, 1e6), st.dictionaries(st.sampled_from(sorted(UNITS)), st.none() | st.floats(0, 1e6))
)
def test_a_longer_stop_never_costs_less(one: float, more: float, rates: dict[str, float | None]) -> None:
    sooner, later = floors(rates, one), floors(rates, one + more)
    assert [floor.unit for floor in sooner] == [floor.unit for floor in later]
    assert all(before.amount <= after.amount for before, after in zip(sooner, later, strict=True))
