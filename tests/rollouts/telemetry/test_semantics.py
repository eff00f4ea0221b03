"""What spans of real libraries, old and new, are read as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollouts.telemetry.otlp import Encoding, Span, decode
from rollouts.telemetry.semantics import COST, IN_COLUMNS, TOOL_ARGUMENTS, InvocationRow, invocation_of
from tests.spans import ERROR, OK, UNSET, row, rows, span

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "expected.json").read_text())
RECORDED = sorted(FIXTURES.glob("*.traces.*"))
#: our column → the name in expected.json.
COLUMNS = {
    "operation": "operation",
    "provider": "provider",
    "request_model": "request_model",
    "response_model": "response_model",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read",
    "finish_reasons": "finish_reasons",
    "error_type": "error_type",
    "error_message": "error_message",
    "tool_name": "tool",
}
UNKNOWN: dict[str, Any] = {"input_tokens": None, "output_tokens": None, "cache_read": None, "finish_reasons": []}
#: Told by the spans, though the person who wrote the facts down did not note it.
NOT_NOTED: dict[str, dict[str, Any]] = {
    "traceloop-legacy-openai": {"operation": "chat", "finish_reasons": ["stop"]},
    "pydantic-ai-tool-call": {"operation": "execute_tool"},
}


def spans_of(path: Path) -> list[Span]:
    return list(decode(path.read_bytes(), Encoding.PROTOBUF if path.suffix == ".pb" else Encoding.JSON))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_a_recorded_span_is_read_as_the_facts_say(path: Path) -> None:
    assert len(RECORDED) == 16
    name = path.name.split(".")[0]
    found = [row for each in spans_of(path) if (row := invocation_of(each)) is not None]
    facts = EXPECTED[name]["spans"]
    assert len(found) == len(facts)
    for row_found, fact in zip(found, facts, strict=True):
        noted = {**fact, **NOT_NOTED.get(name, {})}
        read = {said: getattr(row_found, column) for column, said in COLUMNS.items()}
        assert read == {said: noted.get(said, UNKNOWN.get(said, "")) for said in read}
        assert row_found.failed is (fact["status"] == "error")
        assert row_found.name == fact["span"]


def test_unknown_tokens_are_unknown_and_not_zero() -> None:
    (found,) = [invocation_of(each) for each in spans_of(FIXTURES / "openai-chat-error-404.traces.json")]
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.cost_usd, found.refused) == (None, None, None, None)


def test_both_encodings_give_the_same_rows() -> None:
    for path in FIXTURES.glob("*.traces.pb"):
        assert spans_of(path) == spans_of(path.with_suffix(".json"))


def test_a_span_about_something_else_is_no_invocation() -> None:
    (server_span,) = spans_of(FIXTURES / "otlp-json-spec" / "trace.json")
    assert invocation_of(server_span) is None
    assert rows(span({"http.request.method": "GET"}), resource={"lastgood.bundle": "shop"}) == []


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("otel_genai_client_span_tool_calls", ("chat", "openai", "gpt-4", "gpt-4-0613", 97, 52, ["stop"], "")),
        ("otel_genai_tool_execution_span", ("execute_tool", "", "", "", None, None, [], "get_weather")),
    ],
)
def test_an_attribute_map_of_the_current_conventions_is_read(name: str, facts: tuple[Any, ...]) -> None:
    attributes = json.loads((FIXTURES / "attribute-maps" / f"{name}.json").read_text())
    found = row(attributes)
    assert (
        found.operation, found.provider, found.request_model, found.response_model, found.input_tokens,
        found.output_tokens, found.finish_reasons, found.tool_name,
    ) == facts  # fmt: skip


@pytest.mark.parametrize(
    ("attributes", "bundle"),
    [
        ({"lastgood.bundle": "shop", "lastgood.version": "2.1.0"}, ("shop", None, "2.1.0")),
        ({"lastgood.bundle": "shop", "lastgood.version": 7}, ("shop", 7, "")),
        ({"lastgood.bundle": "shop.default", "lastgood.version": "7"}, ("shop", 7, "")),
        ({"lastgood.bundle": "forge/prod/system/1.4.0"}, ("forge.system", None, "1.4.0")),
        ({"lastgood.bundle": "shop@2.1.0"}, ("shop", None, "2.1.0")),
        ({"gen_ai.prompt.name": "shop", "gen_ai.prompt.version": "3"}, ("shop", 3, "")),
        ({"langfuse.observation.prompt.name": "shop", "langfuse.observation.prompt.version": 3}, ("shop", 3, "")),
        ({"traceloop.prompt.key": "shop", "traceloop.prompt.version": 3}, ("shop", 3, "")),
        (
            {"lastgood.bundle": "shop", "gen_ai.prompt.name": "other", "gen_ai.prompt.version": "9"},
            ("shop", None, ""),
        ),
        ({"gen_ai.prompt.name": "support/agent"}, ("support/agent", None, "")),
    ],
)
def test_the_bundle_is_named_by_the_strongest_name(attributes: dict[str, Any], bundle: tuple[Any, ...]) -> None:
    found = row(attributes)
    assert (found.bundle_key, found.version_number, found.version_label) == bundle


def test_a_reference_names_the_environment_too() -> None:
    assert rows(span({"lastgood.bundle": "forge/staging/system/1.4.0"}), resource={})[0].environment == "staging"


def test_flags_are_noted_for_the_store_to_believe() -> None:
    event = {"feature_flag.key": "shop.version", "feature_flag.result.variant": "2.1.0"}
    found = row({"gen_ai.operation.name": "chat"}, events=[("feature_flag.evaluation", event)])
    assert (found.bundle_key, found.flags) == ("", [("shop", "2.1.0")])


@pytest.mark.parametrize(
    ("told", "stored"), [("production", "prod"), ("Staging", "Staging"), ("default", ""), ("eu-prod", "eu-prod")]
)
def test_environments_written_out_are_ours(told: str, stored: str) -> None:
    assert rows(span(), resource={"deployment.environment.name": told})[0].environment == stored


@pytest.mark.parametrize(
    ("attributes", "status", "failed"),
    [
        ({"gen_ai.operation.name": "chat"}, UNSET, False),
        ({"gen_ai.operation.name": "chat"}, ERROR, True),
        ({"gen_ai.operation.name": "chat", "error.type": "timeout"}, UNSET, True),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"}, UNSET, False),
        ({"gen_ai.operation.name": "invoke_agent"}, UNSET, None),
        ({"gen_ai.operation.name": "invoke_agent"}, OK, False),
        ({"gen_ai.operation.name": "invoke_agent"}, ERROR, True),
        ({"langfuse.observation.type": "generation", "langfuse.observation.level": "ERROR"}, UNSET, True),
    ],
)
def test_whether_it_failed(attributes: dict[str, Any], status: int, failed: bool | None) -> None:
    assert row(attributes, status=status).failed is failed


def test_a_tool_that_failed_did_not_succeed() -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
    assert row(tool).tool_succeeded is True
    broken = row(tool, status=ERROR, message="limit", events=[("exception", {"exception.type": "RefundLimit"})])
    assert (broken.tool_succeeded, broken.error_type, broken.error_message) == (False, "RefundLimit", "limit")


def test_an_exception_that_was_handled_is_no_failure() -> None:
    found = row({"gen_ai.operation.name": "chat"}, events=[("exception", {"exception.type": "Retry"})])
    assert (found.failed, found.error_type) == (False, "")


def evaluated(name: str, **said: Any) -> InvocationRow:
    told = {"gen_ai.evaluation.name": name} | {f"gen_ai.evaluation.{key}": value for key, value in said.items()}
    return row({"gen_ai.operation.name": "chat"}, events=[("gen_ai.evaluation.result", told)])


@pytest.mark.parametrize(
    ("name", "said", "facts"),
    [
        ("schema_valid", {"score.label": "pass"}, (True, False)),
        ("schema_valid", {"score.value": 0.0}, (False, True)),
        ("schema_valid", {"score.label": "invalid"}, (False, True)),
        ("schema_valid", {}, (None, False)),
        ("helpful", {"score.label": "fail"}, (None, True)),
        ("helpful", {"score.value": 0.2}, (None, False)),
    ],
)
def test_evaluations_settle_schema_validity_and_failure(name: str, said: Any, facts: tuple[Any, Any]) -> None:
    found = evaluated(name, **said)
    assert (found.schema_valid, found.failed) == facts
    assert name in found.evaluations


@pytest.mark.parametrize(
    ("attributes", "refused"),
    [
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, True),
        ({"gen_ai.response.finish_reasons": ["stop"]}, False),
        ({"gen_ai.response.finish_reasons": '["refusal"]'}, True),
        ({"gen_ai.operation.name": "chat"}, None),
    ],
)
def test_whether_the_model_refused(attributes: dict[str, Any], refused: bool | None) -> None:
    assert row({"gen_ai.provider.name": "x", **attributes}).refused is refused


def test_a_refusal_that_an_evaluation_found_is_one_and_its_absence_is_no_failure() -> None:
    assert evaluated("refusal", **{"score.label": "refused"}).refused is True
    calm = evaluated("refusal", **{"score.value": 0.0})
    assert (calm.refused, calm.failed) == (False, False)


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({}, None),
        ({"gen_ai.usage.cost": 0.0123}, "0.012300"),
        ({"lastgood.cost_usd": "0.5"}, "0.500000"),
        ({"langfuse.observation.cost_details": '{"total": 2}'}, "2.000000"),
        ({"gen_ai.usage.cost": -1}, None),
        ({"gen_ai.usage.cost": "NaN"}, None),
        ({"gen_ai.usage.cost": 1e300}, None),
        ({"gen_ai.usage.cost": "free"}, None),
    ],
)
def test_cost_is_what_was_told(attributes: dict[str, Any], cost: str | None) -> None:
    found = row({"gen_ai.operation.name": "chat", **attributes}).cost_usd
    assert (None if found is None else str(found)) == cost


@pytest.mark.parametrize("tokens", ["many", -1, 1.5, True, [1], 2**63, ""])
def test_tokens_that_are_no_count_are_unknown(tokens: Any) -> None:
    assert row({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": tokens}).input_tokens is None


@pytest.mark.parametrize("odd", [[], ["a", "b"], True, 12, 1.5, "x" * 100_000, "a\x00b", "<script>", "💥"])
def test_any_attribute_may_have_any_type(odd: Any) -> None:
    names = {*IN_COLUMNS, *COST, *TOOL_ARGUMENTS, "gen_ai.output.messages", "langfuse.observation.usage_details"}
    events = [(name, dict.fromkeys(names, odd)) for name in ("exception", "gen_ai.evaluation.result", "feature_flag.x")]
    found = rows(span(dict.fromkeys(names, odd), name=odd if isinstance(odd, str) else "x", events=events))[0]
    assert "\x00" not in repr(found)
    assert len(found.request_model) <= 200
    assert len(found.bundle_key) <= 201


def test_langfuse_spans_are_read() -> None:
    found = row(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.usage_details": '{"input": 12, "output": 5}',
            "langfuse.observation.prompt.name": "shop",
            "langfuse.observation.prompt.version": 4,
            "session.id": "s-1",
        }
    )
    assert (found.operation, found.request_model, found.input_tokens, found.output_tokens) == ("chat", "gpt-4o", 12, 5)
    assert (found.bundle_key, found.version_number, found.conversation_id) == ("shop", 4, "s-1")
