"""The simulation's pure core: what instances answer follows from the bundle alone."""

from __future__ import annotations

import copy
import dataclasses
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.body import findings
from rollouts.practice import agent, monitor, spans
from rollouts.practice.agent import Outcome
from rollouts.practice.bundles import BAD, FIX, GOOD, KEY, VERSIONS
from rollouts.practice.refunds import QUEUE_LENGTH, Refusal, RetryQueue, order, queued
from rollouts.practice.resolved import read
from rollouts.practice.scenarios import FIRST

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def served(label: str, **changes: Any) -> dict[str, Any]:
    """The object flag's value for a version, as the resolver shapes it."""
    body = copy.deepcopy(VERSIONS[label])
    return {
        "key": KEY,
        "enabled": True,
        "writes_enabled": True,
        "version": {"number": 1 + (label == BAD), "label": label, "digest": label * 4},
        **{part: body[part] for part in ("prompt", "model", "tools", "retrieval", "harness")},
        **changes,
    }


def outcomes(value: dict[str, Any], count: int = 1000) -> dict[str, float]:
    bundle = read(value)
    given = [agent.serve(bundle, order(number)).outcome for number in range(count)]
    return {outcome: given.count(outcome) / count for outcome in set(given)}


@pytest.mark.parametrize("label", [GOOD, BAD, FIX])
def test_what_the_fleet_pushes_is_a_body_without_findings(label: str) -> None:
    assert findings(VERSIONS[label]) == []


def test_the_second_version_differs_from_the_first_by_the_limit_in_its_prompt_only() -> None:
    good, bad = VERSIONS[GOOD], VERSIONS[BAD]
    assert good["prompt"]["text"].replace("500", "100") == bad["prompt"]["text"]
    assert [part for part in ("model", "tools", "retrieval", "harness") if good[part] != bad[part]] == []


def test_98_of_100_refunds_succeed_under_the_first_version_and_71_under_the_second() -> None:
    assert outcomes(served(GOOD)) == {Outcome.REFUNDED: 0.98, Outcome.REFUSED: 0.02}
    assert outcomes(served(BAD)) == {Outcome.REFUNDED: 0.71, Outcome.REFUSED: 0.29}


def test_the_fix_keeps_the_low_limit_and_refunds_what_was_approved_before() -> None:
    assert outcomes(served(FIX)) == {Outcome.REFUNDED: 0.98, Outcome.REFUSED: 0.02}
    bundle = read(served(FIX))
    asked = order(next(number for number in range(100) if 100 < order(number).amount <= 500))
    assert agent.serve(bundle, asked).outcome == Outcome.REFUNDED
    assert agent.serve(bundle, dataclasses.replace(asked, approved=0)).outcome == Outcome.REFUSED


def test_the_limit_is_read_from_the_prompt_and_nowhere_else() -> None:
    text = VERSIONS[BAD]["prompt"]["text"].replace("$100", "$1,000")
    assert outcomes(served(BAD, prompt={"text": text})) == {Outcome.REFUNDED: 0.98, Outcome.REFUSED: 0.02}


@pytest.mark.parametrize(
    "value",
    [
        {"enabled": False, "fallback": "The old form"},
        {"enabled": False, "fallback": None},
        served(GOOD, tools=[tool for tool in VERSIONS[GOOD]["tools"] if tool["name"] != "issue_refund"]),
        served(GOOD, writes_enabled=False),
        served(GOOD, prompt={"text": "Be kind."}),
    ],
    ids=["stopped", "stopped without fallback", "tool stopped", "writes stopped", "no limit granted"],
)
def test_an_instance_that_may_not_refund_hands_every_customer_to_a_human(value: dict[str, Any]) -> None:
    assert outcomes(value, 100) == {Outcome.HANDED_OVER: 1.0}


def test_a_stopped_instance_says_the_fallback_of_the_stop() -> None:
    assert agent.serve(read({"enabled": False, "fallback": "The old form"}), order(1)).says == "The old form"


def test_any_stretch_of_customers_has_nearly_the_same_mixture() -> None:
    bundle = read(served(BAD))
    good = [agent.serve(bundle, order(number)).outcome == Outcome.REFUNDED for number in range(1500)]
    rates = [sum(good[start : start + 480]) / 480 for start in range(1000)]
    assert {round(rate, 2) for rate in rates} <= {0.70, 0.71, 0.72}


def test_an_order_is_the_same_whenever_it_is_asked_for() -> None:
    assert [order(number) for number in range(300)] == [order(number) for number in range(300)]


def test_the_queue_holds_200_and_gives_none_while_an_instance_runs_the_bundle_that_refused_it() -> None:
    queue = RetryQueue()
    assert [queue.put(number, "bad") for number in range(QUEUE_LENGTH + 1)].count(False) == 1
    assert queue.take({"bad", "good"}) is None
    assert queue.take({"good"}) == order(0)
    again = queued(queue.waiting())
    assert len(again) == QUEUE_LENGTH - 1
    assert again.take({"good"}) == order(1)


def test_everything_the_second_version_refused_for_its_limit_goes_through_under_the_first() -> None:
    good, bad = read(served(GOOD)), read(served(BAD))
    refused = [
        given.order
        for given in (agent.serve(bad, order(number)) for number in range(1000))
        if given.refusal == Refusal.OVER_AGENT_LIMIT
    ]
    assert len(refused) == 270
    assert {agent.serve(good, one).outcome for one in refused} == {Outcome.REFUNDED}


# -- the monitor ---------------------------------------------------------------------------------------------------
def test_the_window_says_nothing_with_too_few_answers_and_forgets_the_old() -> None:
    window = monitor.Window(10)
    for at in range(monitor.LEAST - 1):
        window.add(False, at / 10)
    assert window.rate(3) is None
    window.add(True, 3)
    assert window.rate(3) == pytest.approx(1 / monitor.LEAST)
    for _ in range(monitor.LEAST):
        window.add(True, 11)
    assert window.rate(14) == 1


def test_the_rule_fires_once_after_its_time_and_resolves_once_after_recovery() -> None:
    rule = monitor.Rule(bad_for=5, good_for=2)
    told = [rule.look(0.71, at, NOON + timedelta(seconds=at)) for at in range(10)]
    assert [at for at, turned in enumerate(told) if turned] == [5]
    assert rule.firing_since == NOON + timedelta(seconds=5)
    assert [rule.look(0.98, at, NOON) for at in (10, 11, 12, 13)] == [None, None, "resolved", None]
    assert rule.firing_since is None


def test_no_data_neither_fires_nor_resolves() -> None:
    rule = monitor.Rule(bad_for=0, good_for=0)
    assert rule.look(None, 0, NOON) is None
    assert rule.look(0.5, 1, NOON) == "firing"
    assert rule.look(None, 2, NOON) is None
    assert rule.firing_since == NOON


def test_a_rate_that_dips_for_less_than_the_time_does_not_fire() -> None:
    rule = monitor.Rule(bad_for=5, good_for=2)
    assert [rule.look(rate, at, NOON) for at, rate in enumerate([0.7, 0.7, 0.99, 0.7, 0.7, 0.7, 0.99])] == [None] * 7


def test_the_webhook_has_every_member_of_the_header_and_one_identity_while_it_fires() -> None:
    def body(status: str, rate: float) -> dict[str, Any]:
        return monitor.webhook(
            status,
            scenario=FIRST,
            started_at=NOON,
            now=NOON,
            rate=rate,
            window=20,
            label=BAD,
            base_url="http://practice",
        )

    firing, resolved = body("firing", 0.7123), body("resolved", 0.98)
    annotations = firing["alerts"][0]["annotations"]
    assert annotations["reference"] == "customer-service/prod/default/2.1.0"
    assert [annotations[name] for name in ("metric", "comparator", "threshold", "value", "window")] == [
        "refund_success_rate",
        "<",
        "0.95",
        "0.71",
        "20 s",
    ]
    assert firing["alerts"][0]["fingerprint"] == resolved["alerts"][0]["fingerprint"]
    assert resolved["alerts"][0]["endsAt"] == NOON.isoformat()


# -- telemetry -----------------------------------------------------------------------------------------------------
def test_a_refused_refund_is_a_failed_run_with_a_failed_tool_and_a_handed_over_one_has_no_tool() -> None:
    dice = random.Random(1)
    bad = read(served(BAD))
    refused = next(
        given
        for given in (agent.serve(bad, order(number)) for number in range(100))
        if given.refusal == Refusal.OVER_AGENT_LIMIT
    )
    run, tool = [span for _, span in spans.of(agent.trace(refused), key=KEY, now_ns=10**18, dice=dice)]
    assert tool["parentSpanId"] == run["spanId"]
    assert run["status"]["code"] == tool["status"]["code"] == spans.ERROR
    attributes = {item["key"]: item["value"] for item in tool["attributes"]}
    assert attributes["error.type"] == {"stringValue": "refund_over_agent_limit"}
    assert attributes["lastgood.version"] == {"stringValue": BAD}
    assert int(run["startTimeUnixNano"]) < int(tool["startTimeUnixNano"]) < int(tool["endTimeUnixNano"]) < 10**18
    stopped = agent.trace(agent.serve(read({"enabled": False}), order(1)))
    handed = [span for _, span in spans.of(stopped, key=KEY, now_ns=10**18, dice=dice)]
    assert [span["name"] for span in handed] == ["invoke_agent customer-service"]
    assert handed[0]["status"]["code"] == spans.OK
