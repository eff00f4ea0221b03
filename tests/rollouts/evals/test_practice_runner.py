"""The built-in runner really judges: it plays the practice agents under the bundle it is given."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import SiteRole
from rollouts.models import BundleVersion
from rollouts.operations.eval_proof import holds, newest_tallies
from rollouts.operations.push import push
from rollouts.practice.bundles import BAD, FIX, GOOD, KEY, VERSIONS
from rollouts.practice.scenarios import schema_contract
from tests.factories.accounts import person
from tests.factories.evals import asked, case, executed
from tests.factories.rollouts import practised, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def practice(db: None) -> dict[str, BundleVersion]:
    practised(KEY)
    return {body["label"]: push(KEY, body, actor=person(SiteRole.APPROVER))[0] for body in VERSIONS.values()}


def test_the_practice_runner_judges_the_bad_version_and_the_fix(practice: dict[str, BundleVersion]) -> None:
    approved = case("approved", inputs={"amount": 480, "approved": 480}, bad_version=practice[BAD], repeats=3)
    for label in (BAD, FIX):
        asked(practice[label])
        executed()
    told = newest_tallies([approved], practice.values())
    assert {key[1]: str(tally) for key, tally in told.items()} == {
        practice[BAD].pk: "0 of 3",
        practice[FIX].pk: "3 of 3",
    }
    assert holds(approved, told[approved.pk, practice[FIX].pk])
    assert not holds(approved, told[approved.pk, practice[BAD].pk])


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({}, "pass"),
        ({"inputs": "I want $480 back for my lamp"}, "pass"),
        ({"inputs": {"gen_ai.tool.call.arguments": '{"order_id": "HH-1", "amount": 480}'}}, "pass"),
        ({"inputs": {"refund.amount": 501}}, "fail"),
        ({"inputs": {"text": "Where is my table?"}}, "error"),
        (
            {"check_kind": "json_schema", "check_body": {"properties": {"tool_call": {"type": "object"}}}},
            "pass",
        ),
        ({"check_kind": "json_schema", "check_body": {"required": ["apology"]}}, "fail"),
        ({"check_kind": "rubric", "check_body": {"text": "Is it kind?"}}, "error"),
        ({"check_body": {"path": "tool_call.arguments.amount", "operator": "at_most", "value": 479}}, "fail"),
    ],
)
def test_the_practice_runner_applies_each_kind_of_check(
    practice: dict[str, BundleVersion], given: dict[str, Any], outcome: str
) -> None:
    case("refund", **given)
    asked(practice[GOOD])
    run = executed()
    assert run.results.get().outcome == outcome, run.results.get().output


@pytest.mark.parametrize(
    ("inputs", "outcomes"),
    [
        ({"message": "due"}, ("pass", "fail")),
        ({"gen_ai.tool.call.arguments": '{"due": "end of next week", "quantity": 1}'}, ("pass", "fail")),
        ({"message": "priority"}, ("pass", "pass")),
    ],
)
def test_the_practice_runner_files_work_orders(inputs: dict[str, str], outcomes: tuple[str, str]) -> None:
    practised("forge")
    versions = schema_contract.SCENARIO.versions
    made = [push("forge.system", dict(versions[label]), actor=person())[0] for label in ("1.3.2", "1.4.0")]
    day = {"path": "tool_call.arguments.due", "operator": "matches", "value": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
    case("due", bundle="forge.system", inputs=inputs, check_body=day)
    found = []
    for each in made:
        asked(each)
        found.append(executed().results.get().outcome)
    assert tuple(found) == outcomes


def test_the_practice_runner_owns_that_it_cannot_play_other_agents() -> None:
    practised("anvil")
    other = version("anvil")
    case("tone", bundle="anvil")
    asked(other)
    run = executed()
    assert run.state == "error"
    assert "set EVAL_COMMAND to run anvil." in run.results.get().output


def test_a_real_agent_called_like_a_practice_one_is_not_proven_by_play() -> None:
    real = push(KEY, VERSIONS[FIX], actor=person(SiteRole.APPROVER))[0]
    case("approved", inputs={"amount": 480, "approved": 480})
    asked(real)
    run = executed()
    assert (run.state, run.results.count(), run.gate_result) == ("error", 0, None)
    assert "EVAL_COMMAND is not set" in run.error
    assert not real.gate_results.exists()
