"""The prompt against the tools: what it uses that they do not take, and where that stands."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from rollouts.push_checks import Concern, concerns
from rollouts.push_checks.arguments import check

TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def tool(name: str, *arguments: str, closed: bool = False, **more: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict.fromkeys(arguments, TEXT)}
    return {"name": name, "input_schema": schema | ({"additionalProperties": False} if closed else {}), **more}


REFUND = tool("issue_refund", "order_id", "amount")
ACCOUNT = tool("look_up_account", "accountId")


def found(text: str, *tools: dict[str, Any], few_shots: Any = ()) -> list[Concern]:
    return list(check({"prompt": {"text": text, "few_shots": list(few_shots)}, "tools": list(tools)}))


def one(text: str, *tools: dict[str, Any], few_shots: Any = ()) -> Concern:
    (concern,) = found(text, *tools, few_shots=few_shots)
    return concern


@pytest.mark.parametrize(
    "text",
    [
        "Then call issue_refund(order_id=…, amount=…, currency=…).",
        'Then call `issue_refund(order_id="HH-1", amount=20.5, currency="USD")` once.',
        "Then call issue_refund(order_id: 1, amount: 2, currency: 3)",
        "Call issue_refund with `order_id`, `amount` and `currency`.",
        "Call `issue_refund`, passing `order_id`, `amount`\nand `currency`.",
        "Call issue_refund with order_id, amount and currency.",
        'Call:\n```json\n{"name": "issue_refund", "arguments": {"order_id": "1", "amount": 2, "currency": 3}}\n```\n',
        'Call:\n```\n{"issue_refund": {"order_id": <order>, "amount": …, "currency": "USD"}}\n```',
        'Call issue_refund:\n\n```json\n{\n  "order_id": "1",\n  "currency": "USD"\n}\n```\nand wait.',
        'Use issue_refund({"order_id": "1", "currency": "USD"}).',
    ],
)
def test_an_argument_that_the_tool_does_not_take_is_found_however_it_is_written(text: str) -> None:
    concern = one(text, REFUND)
    assert (concern.path, concern.check) == ("prompt.text", "arguments")
    assert concern.message == "issue_refund does not take currency; it takes amount, order_id."
    assert concern.place is not None
    line = text.split("\n")[concern.place.line - 1]
    assert line[concern.place.column - 1 :].startswith("currency"), "the place is that of the word"


@pytest.mark.parametrize(
    "text",
    [
        "look_up_account(account_id=12)",
        "Call look_up_account with `account_id`.",
        'Call look_up_account:\n```json\n{"account_id": "12"}\n```',
        "Call look_up_account with account_id.",
        "# Fields\n- account_id: the account the customer writes from.",
    ],
)
def test_a_name_that_was_changed_on_one_side_is_told_as_a_rename(text: str) -> None:
    assert one(text, ACCOUNT).message == (
        "look_up_account takes accountId, and this says account_id: a field renamed on one side only."
    )


@pytest.mark.parametrize(
    "row",
    [
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": "look_up_account", "arguments": '{"account_id": 1}'}}],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "name": "look_up_account", "input": {"account_id": 1}}]},
        {"user": "Who am I?", "call": {"tool": "look_up_account", "args": {"account_id": 1}}},
        {"user": "Who am I?", "look_up_account": {"account_id": 1}},
        {"user": "Who am I?", "assistant": "look_up_account(account_id=1)"},
        "User: who am I?\nlook_up_account(account_id=1)",
        {"user": "Who am I?", "output": {"account_id": 12}},
    ],
)
def test_few_shots_that_go_on_teaching_the_old_name_are_found_at_their_row(row: Any) -> None:
    concern = one("Be brief.", ACCOUNT, few_shots=[{"user": "Hi", "agent": "Hello"}, row])
    assert concern.path.startswith("prompt.few_shots.1")
    assert "takes accountId, and this says account_id" in concern.message
    assert concern.place is None, "only the prompt has lines"


@pytest.mark.parametrize(
    "text",
    [
        "Call issue_refund(order_id=1, amount=min(price, 20), order_id=2).",
        "Never promise a refund before issue_refund has confirmed it. Use `status` of the answer.",
        "Call issue_refund with the order, the amount in\n  dollars and 100 as authorised_up_to.",
        "issue_refund returns `state` and `currency`.",
        "Call issue_refund with `order_id`; it returns `currency`.",
        "issue_refund (see the policy: no currency is needed) is for refunds.",
        "When issue_refund fails, hand over to a colleague with `urgency` set.",
        'The policy:\n```json\n{"currency": "USD"}\n```',
        'Ask issue_refund("order_id=1, currency=2").',
        "Be brief.",
    ],
)
def test_what_fits_and_what_is_prose_is_left_alone(text: str) -> None:
    assert found(text, REFUND) == []


def test_a_schema_that_does_not_list_what_it_takes_is_not_argued_with() -> None:
    text = "issue_refund(order_id=1, currency=2)"
    schemas: list[dict[str, Any]] = [
        {"type": "object"},
        {"$ref": "https://example.com/refund.json"},
        {"patternProperties": {"^o": {}}},
    ]
    for schema in schemas:
        assert found(text, {"name": "issue_refund", "input_schema": schema}) == []


def test_arguments_behind_references_and_alternatives_are_taken() -> None:
    schema = {
        "$defs": {"money": {"properties": {"amount": NUMBER, "currency": TEXT}}},
        "allOf": [{"properties": {"order_id": TEXT}}, {"$ref": "#/$defs/money"}],
    }
    refund = {"name": "issue_refund", "input_schema": schema}
    assert found("issue_refund(order_id=1, amount=2, currency=3)", refund) == []
    assert "does not take reason" in one("issue_refund(order_id=1, reason=2)", refund).message


def test_a_schema_that_refers_to_itself_many_times_is_read_once() -> None:
    schema = {"properties": {"order_id": TEXT}, "allOf": [{"$ref": "#"}] * 200}
    refund = {"name": "issue_refund", "input_schema": schema}
    assert "does not take currency" in one("issue_refund(order_id=1, currency=2)", refund).message


def test_what_a_closed_schema_refuses_is_an_error_and_the_rest_a_warning() -> None:
    text = "issue_refund(order_id=1, currency=2)"
    assert one(text, REFUND).severity == "warning"
    assert one(text, tool("issue_refund", "order_id", closed=True)).severity == "error"


def test_a_call_that_leaves_out_what_is_required_and_a_tool_that_was_renamed() -> None:
    needs = tool("issue_refund", "order_id", "amount")
    needs["input_schema"]["required"] = ["order_id", "amount"]
    call = {"name": "issue_refund", "arguments": {"order_id": "1"}}
    assert one("", needs, few_shots=[call]).message == "This call leaves out amount, which issue_refund requires."
    renamed = {"name": "issueRefund", "arguments": {}}
    assert one("", needs, few_shots=[renamed]).message == (
        "This calls issueRefund, and the bundle has issue_refund: was it renamed?"
    )


def test_each_argument_is_told_once_and_findings_have_their_place_as_json() -> None:
    text = "Do:\n  issue_refund(currency=1)\n  issue_refund(currency=2)"
    assert one(text, REFUND).as_json() == {
        "path": "prompt.text",
        "message": "issue_refund does not take currency; it takes amount, order_id.",
        "severity": "warning",
        "check": "arguments",
        "line": 2,
        "column": 16,
    }


def test_a_very_long_prompt_with_very_many_tools_is_checked_in_reasonable_time() -> None:
    tools = [tool(f"tool_{number}", "order_id", "amount") for number in range(500)]
    lines = 'tool_7(order_id=1, currency=(((({{{ and then `x` with `y` {"a": \n```json\n{"order_id": [[[\n```\n'
    text = (lines * 20_000)[:1_000_000]
    began = perf_counter()
    assert len(concerns({"prompt": {"text": text}, "model": {"snapshot": "gpt-4.1-2025-04-14"}, "tools": tools}))
    assert perf_counter() - began < 10
