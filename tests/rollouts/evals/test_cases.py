"""Cases: made from what went wrong, checked, versioned with their set."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts.models import EvalSetVersion, RegressionCase
from rollouts.operations.cases import MAX_BYTES, add_case, newest, remove_case
from tests.factories.accounts import machine, person
from tests.factories.rollouts import deployment, version

pytestmark = pytest.mark.django_db

AT_MOST = {"path": "tool_call.amount", "operator": "at_most", "value": 500}


def made(**given: Any) -> RegressionCase:
    """A case of ``customer-service``; ``given`` replaces what it is made with."""
    asked: dict[str, Any] = {
        "title": "Refund above the limit",
        "inputs": {"order": "HH-1", "amount": 480},
        "check_kind": "assertion",
        "check_body": AT_MOST,
    }
    return add_case(deployment().bundle, actor=person(SiteRole.RESPONDER), **asked | given)


def test_a_case_makes_its_set_and_a_first_version_with_a_digest() -> None:
    case = made(incident_ref="INC-7", invocation=(date(2026, 11, 20), "a" * 32, "b" * 16), repeats=3)
    first = newest(case.eval_set)
    assert first is not None
    assert (str(first), first.case_ids) == ("customer-service:golden@1", [case.pk])
    assert len(first.digest) == 64
    assert (case.key, case.incident_ref, case.day, case.repeats) == (
        "refund-above-the-limit",
        "INC-7",
        date(2026, 11, 20),
        3,
    )
    assert AuditEntry.objects.get(verb="add case").data["case"] == case.key


def test_every_change_is_a_new_version_and_the_old_ones_stay() -> None:
    first, second = made(), made(title="A second refund")
    assert remove_case(first, actor=person(SiteRole.APPROVER), reason="The limit is gone.").number == 3
    versions = EvalSetVersion.objects.order_by("number")
    assert [version.case_ids for version in versions] == [[first.pk], [first.pk, second.pk], [second.pk]]
    assert len({version.digest for version in versions}) == 3


def test_the_same_case_again_is_the_case_it_already_was() -> None:
    case = made()
    assert made() == case
    assert EvalSetVersion.objects.count() == 1


def test_a_case_that_was_left_out_comes_back_when_it_is_added_again() -> None:
    case = made()
    remove_case(case, actor=person(SiteRole.APPROVER), reason="Flaky.")
    assert made() == case
    last = newest(case.eval_set)
    assert last is not None
    assert (last.number, last.case_ids) == (3, [case.pk])


def test_another_case_of_the_same_title_gets_a_key_of_its_own() -> None:
    assert [made().key, made(inputs={"amount": 1}).key] == ["refund-above-the-limit", "refund-above-the-limit-2"]


def test_true_is_not_one() -> None:
    assert made(inputs={"vip": True}) != made(inputs={"vip": 1})


def test_a_key_that_is_taken_is_refused() -> None:
    made(key="refund")
    with pytest.raises(OperationRefused, match="another case called refund") as refused:
        made(key="refund", inputs={"amount": 2})
    assert refused.value.status == 409


def test_a_better_case_takes_the_place_of_the_one_it_replaces() -> None:
    case = made()
    better = made(replaces=case, inputs={"amount": 499})
    last = newest(case.eval_set)
    assert last is not None
    assert last.case_ids == [better.pk]
    assert better.key == "refund-above-the-limit.better"
    with pytest.raises(OperationRefused, match="is replaced by refund-above-the-limit"):
        made(replaces=case, inputs={"amount": 498})


def test_a_case_replaces_only_one_of_its_own_set() -> None:
    case = made()
    with pytest.raises(OperationRefused, match="another set"):
        made(replaces=case, set_name="other")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"check_kind": "vibes"}, "A check is assertion, json_schema or rubric"),
        ({"check_body": []}, "An assertion is an object"),
        ({"check_body": {"path": "a", "operator": "is_nice", "value": 1}}, "operator is one of equals"),
        ({"check_body": {"path": "a", "operator": "equals"}}, "equals needs a value"),
        ({"check_body": {"path": 1, "operator": "exists"}}, "path is dotted text"),
        ({"check_body": AT_MOST | {"because": "x"}}, "Unknown member 'because'"),
        ({"check_body": AT_MOST | {"value": "500"}}, "at_most compares with a number"),
        ({"check_body": {"path": "a", "operator": "one_of", "value": []}}, "one_of needs a list"),
        ({"check_body": {"path": "a", "operator": "matches", "value": "("}}, "no regular expression"),
        ({"check_kind": "json_schema", "check_body": {"type": "strng"}}, "Not a valid JSON Schema at type"),
        ({"check_kind": "json_schema", "check_body": {}}, "every output would pass"),
        ({"check_kind": "json_schema", "check_body": {"$ref": "http://x/"}}, "fetches nothing"),
        ({"check_kind": "rubric", "check_body": {"text": "  "}}, "Write the rubric"),
        ({"check_kind": "rubric", "check_body": "be nice"}, "A rubric is"),
        ({"title": " "}, "Give the case a title"),
        ({"title": "x" * 301}, "the limit is 300"),
        ({"set_name": "Golden Set"}, "A set's name"),
        ({"key": "a b"}, "A case's key"),
        ({"inputs": {}}, "Say what the agent was given"),
        ({"inputs": {"text": "a\0b"}}, "inputs.text: This text holds a NUL"),
        ({"inputs": "x" * MAX_BYTES}, "the limit is 256"),
        ({"repeats": 0}, "tried 1 to 100 times"),
        ({"repeats": 101}, "tried 1 to 100 times"),
        ({"invocation": (date(2026, 11, 20), "no", "")}, "An invocation is named"),
        ({"incident_ref": "I" * 21}, "by its reference"),
    ],
)
def test_a_case_that_cannot_be_run_is_refused_with_what_to_put_right(given: dict[str, Any], says: str) -> None:
    with pytest.raises(OperationRefused, match=says) as refused:
        made(**given)
    assert refused.value.status == 422
    assert not RegressionCase.objects.exists()


def test_every_finding_is_told_at_once() -> None:
    with pytest.raises(OperationRefused) as refused:
        made(title="", inputs=None, check_body={})
    assert len(refused.value.details["reasons"]) == 4


def test_the_bad_version_is_one_of_the_same_bundle() -> None:
    with pytest.raises(OperationRefused, match="another bundle"):
        made(bad_version=version("forge"))
    own = version()
    assert made(bad_version=own).bad_version == own


def test_leaving_a_case_out_takes_a_reason_and_happens_once() -> None:
    case, actor = made(), person(SiteRole.APPROVER)
    with pytest.raises(OperationRefused, match="Say why"):
        remove_case(case, actor=actor, reason=" ")
    remove_case(case, actor=actor, reason="The limit is gone.")
    with pytest.raises(OperationRefused, match="not in the newest version"):
        remove_case(case, actor=actor, reason="Again.")


def test_cases_are_made_by_who_may_push_and_left_out_by_approvers() -> None:
    case = made()
    for actor in (person(SiteRole.RESPONDER), machine(Scope.PUSH)):
        with pytest.raises(NotPermitted):
            remove_case(case, actor=actor, reason="It is in the way.")
    for actor in (person(SiteRole.VIEWER), machine(Scope.CONTAIN)):
        with pytest.raises(NotPermitted):
            add_case(case.eval_set.bundle, actor=actor, title="x", inputs=1, check_kind="rubric", check_body={})
        with pytest.raises(NotPermitted):
            remove_case(case, actor=actor, reason="x")
