"""A regression case from a failing run in one press: only what its telemetry kept, nothing invented."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Incident
from incidents.operations import acknowledge, cases, causes, contain, moves, triage
from incidents.operations.cases import from_run
from rollouts.models import RegressionCase
from tests.factories.accounts import person
from tests.factories.incidents import incident, resolved, written
from tests.factories.regression_cases import case
from tests.factories.rollouts import BODY, KEY, running
from tests.spans import ERROR, span, told

pytestmark = pytest.mark.django_db

TRACE = "a" * 32
ARGUMENTS = {"order_id": "HH-20418", "amount": 240}


def refused_refund(
    at: datetime, *, label: str = "2.0.0", trace: str = TRACE, bad: bool = True, said: dict[str, Any] | None = None
) -> None:
    """A run whose tool refuses, as an instrumented agent tells it; ``said`` is added to the tool's span."""
    common = {"lastgood.bundle": KEY, "lastgood.version": label, "gen_ai.conversation.id": "refund-418"}
    wrong = {"error.type": "refund_over_limit"} if bad else {}
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_order",
        "gen_ai.tool.call.arguments": json.dumps(ARGUMENTS),
        "gen_ai.tool.call.result": json.dumps({"refused": True} if bad else {"refunded": True}),
    }
    status = ERROR if bad else 1
    told(
        span(common | {"gen_ai.operation.name": "invoke_agent"} | wrong, at=at, trace=trace, status=status),
        span(
            common | tool | wrong | (said or {}),
            at=at + timedelta(milliseconds=10),
            trace=trace,
            status=status,
            message="no",
        ),
    )


@pytest.fixture
def room() -> Incident:
    return incident(running("1.0.0", "2.0.0"))


def test_one_press_makes_a_case_of_what_the_run_tells(room: Incident, noon: datetime) -> None:
    refused_refund(noon)
    made, fresh = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert fresh
    assert made.inputs == {"tool_calls": [{"name": "get_order", "arguments": ARGUMENTS}]}
    assert (made.check_kind, made.check_body) == (
        "assertion",
        {"path": "error", "operator": "not_equals", "value": "refund_over_limit"},
    )
    assert made.bad_version is not None
    assert made.bad_version.label == "2.0.0"
    assert made.expected is None
    assert (made.incident_ref, made.day, made.trace_id) == (room.ref, noon.date(), TRACE)
    assert made.key == f"{room.ref.lower()}-aaaaaaaa"
    assert made.title == "get_order: refund_over_limit"


def test_pressed_twice_it_is_one_case(room: Incident, noon: datetime) -> None:
    refused_refund(noon)
    first, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert from_run(room, actor=person(), day=noon.date(), trace_id=TRACE) == (first, False)
    better = cases.refine(
        first,
        room,
        actor=person(),
        title="A refund of $240 goes through",
        inputs=first.inputs,
        check_kind="rubric",
        check_body={"text": "Refunded."},
        repeats=3,
    )
    assert from_run(room, actor=person(), day=noon.date(), trace_id=TRACE) == (better, False)
    assert RegressionCase.objects.count() == 2


def test_what_the_last_good_version_answered_is_what_to_expect(noon: datetime) -> None:
    room = incident(running("1.0.0", "2.0.0"))
    contain.roll_back(room, actor=person())
    refused_refund(noon)
    refused_refund(noon + timedelta(minutes=5), label="1.0.0", trace="b" * 32, bad=False)
    made, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert made.expected == {
        "tool_calls": [{"name": "get_order", "arguments": ARGUMENTS, "result": {"refunded": True}}]
    }


def test_a_broken_schema_becomes_the_schema_to_satisfy(room: Incident, noon: datetime) -> None:
    common = {"lastgood.bundle": KEY, "lastgood.version": "2.0.0", "gen_ai.operation.name": "chat"}
    answer = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "get_order", "arguments": {"id": 7}}]}]
    asked = [{"role": "user", "parts": [{"type": "text", "content": "Where is my table?"}]}]
    told(
        span(
            common | {"gen_ai.input.messages": json.dumps(asked), "gen_ai.output.messages": json.dumps(answer)},
            at=noon,
            trace=TRACE,
        )
    )
    made, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert made.inputs == {"messages": asked, "tool_calls": [{"name": "get_order", "arguments": {"id": 7}}]}
    assert made.check_kind == "json_schema"
    calls = made.check_body["properties"]["tool_calls"]["items"]["then"]["properties"]
    assert calls["arguments"] == BODY["tools"][0]["input_schema"]


def test_what_went_wrong_without_a_name_is_left_to_a_judge(room: Incident, noon: datetime) -> None:
    common = {"lastgood.bundle": KEY, "gen_ai.operation.name": "chat"}
    told(span(common | {"input.value": "Where is my table?"}, at=noon, trace=TRACE))
    made, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert made.inputs == {"messages": "Where is my table?"}
    assert made.check_kind == "rubric"
    assert made.bad_version is None


def test_messages_that_come_as_numbered_attributes_are_read(room: Incident, noon: datetime) -> None:
    common = {"lastgood.bundle": KEY, "gen_ai.operation.name": "chat"}
    numbered = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Where is my table?"}
    told(span(common | numbered, at=noon, trace=TRACE))
    made, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert made.inputs == {"messages": [{"role": "user", "content": "Where is my table?"}]}


def test_secrets_are_not_copied_into_a_case(room: Incident, noon: datetime) -> None:
    arguments = {"order_id": "HH-1", "db_password": "hunter22", "nested": [{"sessionToken": "abc"}]}
    refused_refund(noon, said={"gen_ai.tool.call.arguments": json.dumps(arguments)})
    made, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    stored = json.dumps(made.inputs)
    assert "HH-1" in stored
    assert "hunter22" not in stored
    assert "abc" not in stored


def test_without_content_no_case_is_made_and_nothing_is_invented(room: Incident, noon: datetime) -> None:
    told(span({"lastgood.bundle": KEY, "gen_ai.operation.name": "chat"}, at=noon, trace=TRACE, status=ERROR))
    with pytest.raises(OperationRefused, match="content capture was off") as refusal:
        from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert refusal.value.status == 422
    assert refusal.value.details["draft"]["inputs"] == {}
    assert not RegressionCase.objects.exists()


def test_what_the_telemetry_cut_short_is_not_taken_for_the_whole(room: Incident, noon: datetime) -> None:
    long = json.dumps({"order_id": "HH-1", "note": "x" * 20_000})
    refused_refund(noon, said={"gen_ai.tool.call.arguments": long})
    with pytest.raises(OperationRefused, match="only the beginning"):
        from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)


def test_every_other_refusal(room: Incident, noon: datetime) -> None:
    with pytest.raises(NotFound, match="No run"):
        from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    with pytest.raises(NotPermitted):
        from_run(room, actor=person(SiteRole.VIEWER), day=noon.date(), trace_id=TRACE)
    Incident.objects.update(deployment=None)
    with pytest.raises(OperationRefused, match="which agent"):
        from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)


def test_a_case_covers_the_cause_that_needs_it(room: Incident, noon: datetime) -> None:
    hot = causes.add(room, actor=person(), origin="hot_edit")
    refused_refund(noon)
    first, _ = from_run(room, actor=person(), day=noon.date(), trace_id=TRACE)
    assert list(first.causes.all()) == [hot]
    alias = causes.add(room, actor=person(), origin="alias_drift")
    made: dict[str, Any] = {"inputs": {"messages": "Hi"}, "check_kind": "rubric", "check_body": {"text": "Polite."}}
    second = cases.make(room, actor=person(), title="Hello", **made)
    assert list(second.causes.all()) == [alias]
    third = cases.make(room, actor=person(), title="Hello again", covers=[hot], **made)
    assert list(third.causes.all()) == [hot]


def test_a_better_case_takes_over_what_the_first_one_covered(room: Incident) -> None:
    cause = causes.add(room, actor=person(), origin="hot_edit")
    made: dict[str, Any] = {"inputs": {"messages": "Hi"}, "check_kind": "rubric", "check_body": {"text": "Polite."}}
    first = cases.make(room, actor=person(), title="Hello", **made)
    assert cases.refine(first, room, actor=person(), title="Hello", **made) == first
    better = cases.refine(first, room, actor=person(), title="Hello", repeats=5, **made)
    assert better.replaces == first
    assert list(cause.cases.filter(replaced_by=None)) == [better]
    moves.sweep()
    with pytest.raises(OperationRefused, match="replaced by"):
        cases.refine(first, room, actor=person(), title="Hello", repeats=6, **made)


def test_no_case_is_made_in_a_closed_record() -> None:
    room = incident(running("1.0.0"))

    acknowledge.acknowledge(room, actor=person())
    triage.skip(room, actor=person(), reason="clear")
    written(resolved(room), person())
    with pytest.raises(OperationRefused, match="is closed"):
        cases.make(
            room, actor=person(), title="t", inputs={"a": 1}, check_kind="rubric", check_body={"text": "Polite."}
        )
    with pytest.raises(OperationRefused, match="is closed"):
        cases.refine(
            case(), room, actor=person(), title="t", inputs={}, check_kind="rubric", check_body={"text": "Polite."}
        )
