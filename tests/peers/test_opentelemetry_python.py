"""OpenTelemetry's own Python SDK and exporter against a real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import StatusCode

from tests.processes import Workbench, installed

pytestmark = pytest.mark.peer

RESOURCE = {
    "service.name": "customer-service",
    "service.instance.id": "pod-7",
    "cloud.region": "eu-west-1",
    "deployment.environment.name": "production",
}


@pytest.fixture(scope="module")
def workbench(django_db_setup: None, django_db_blocker: Any) -> Iterator[Workbench]:
    """One server for the tests that leave it running."""
    with django_db_blocker.unblock(), installed() as made:
        made.start("server")
        yield made


def exporter(workbench: Workbench, key: str = "", **how: Any) -> OTLPSpanExporter:
    headers = {"Authorization": f"Bearer {key or workbench.credentials['otlp_key']}"}
    return OTLPSpanExporter(f"{workbench.url}/v1/traces", headers=headers, **{"timeout": 5, **how})


@pytest.fixture
def recorded() -> Iterator[Callable[[Any], TracerProvider]]:
    """Tracer providers with a span processor, shut down afterwards."""
    made: list[TracerProvider] = []

    def provider(processor: Any) -> TracerProvider:
        found = TracerProvider(resource=Resource.create(RESOURCE))
        found.add_span_processor(processor)
        made.append(found)
        return found

    yield provider
    for each in made:
        each.shutdown()


def serve_a_customer(tracer: trace.Tracer) -> str:
    """An agent's run with a model call and a tool that fails; returns its trace id."""
    run = {"gen_ai.operation.name": "invoke_agent", "lastgood.bundle": "customer-service", "lastgood.version": "2.1.0"}
    with tracer.start_as_current_span("invoke_agent customer-service", attributes=run) as agent:
        asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5"}
        with tracer.start_as_current_span("chat gpt-5", attributes=asked) as call:
            call.set_attribute("gen_ai.response.model", "gpt-5-2026-08-01")
            call.set_attribute("gen_ai.usage.input_tokens", 812)
            call.set_attribute("gen_ai.response.finish_reasons", ["tool_calls"])
            call.add_event(
                "gen_ai.evaluation.result",
                {"gen_ai.evaluation.name": "schema_valid", "gen_ai.evaluation.score.label": "pass"},
            )
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
        with tracer.start_as_current_span("execute_tool refund", attributes=tool) as call:
            call.record_exception(ValueError("over the limit"))
            call.set_status(StatusCode.ERROR, "over the limit")
        with tracer.start_as_current_span("GET /orders", attributes={"http.request.method": "GET"}):
            pass
        return f"{agent.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("compression", list(Compression), ids=lambda compression: compression.value)
def test_what_the_sdk_exports_is_kept(
    workbench: Workbench, recorded: Callable[[Any], TracerProvider], compression: Compression
) -> None:
    provider = recorded(BatchSpanProcessor(exporter(workbench, compression=compression)))
    trace_id = serve_a_customer(provider.get_tracer("test"))
    assert provider.force_flush()
    rows = workbench.sql(
        "SELECT operation, bundle_key, version_label, environment, instance, region, failed, input_tokens,"
        " schema_valid, finish_reasons, tool_name, error_type, error_message"
        " FROM rollouts_invocation WHERE trace_id = %s ORDER BY at",
        [trace_id],
    )
    common = ("customer-service", "2.1.0", "prod", "pod-7", "eu-west-1")
    assert rows == [
        ("invoke_agent", *common, None, None, None, [], "", "", ""),
        ("chat", *common, False, 812, True, ["tool_calls"], "", "", ""),
        ("execute_tool", *common, True, None, None, [], "refund", "ValueError", "over the limit"),
    ]
    run = "SELECT failed, tools, failed_tools FROM rollouts_agentrun WHERE trace_id = %s"
    assert workbench.sql(run, [trace_id]) == [(True, ["refund"], ["refund"])]


def test_spans_that_arrive_one_by_one_still_belong_together(
    workbench: Workbench, recorded: Callable[[Any], TracerProvider]
) -> None:
    provider = recorded(SimpleSpanProcessor(exporter(workbench)))  # children first, each in a request of its own
    trace_id = serve_a_customer(provider.get_tracer("test"))
    keys = "SELECT DISTINCT bundle_key, version_label FROM rollouts_invocation WHERE trace_id = %s"
    assert workbench.sql(keys, [trace_id]) == [("customer-service", "2.1.0")]
    run = "SELECT failed, failed_tools, response_model FROM rollouts_agentrun WHERE trace_id = %s"
    assert workbench.sql(run, [trace_id]) == [(True, ["refund"], "gpt-5-2026-08-01")]


def finished_spans(number: int) -> list[Any]:
    tracer = TracerProvider(resource=Resource.create(RESOURCE)).get_tracer("test")
    spans = []
    for _ in range(number):
        span = tracer.start_span("chat", attributes={"gen_ai.operation.name": "chat"})
        span.end()
        spans.append(span)
    return spans


def count(workbench: Workbench, spans: list[Any]) -> int:
    ids = [f"{span.get_span_context().span_id:016x}" for span in spans]
    found: int = workbench.sql("SELECT count(*) FROM rollouts_invocation WHERE span_id = ANY(%s)", [ids])[0][0]
    return found


def test_a_wrong_key_fails_the_export_and_is_not_tried_again(workbench: Workbench) -> None:
    spans = finished_spans(1)
    assert exporter(workbench, key="wrong").export(spans) == SpanExportResult.FAILURE
    assert count(workbench, spans) == 0


def test_a_batch_as_large_as_the_sdk_sends_is_kept_once_though_sent_twice(workbench: Workbench) -> None:
    spans = finished_spans(512)
    sender = exporter(workbench, compression=Compression.Gzip)
    assert [sender.export(spans) for _ in range(2)] == [SpanExportResult.SUCCESS] * 2
    assert count(workbench, spans) == 512


def test_a_batch_sent_while_the_database_is_away_arrives_once_when_it_is_back(
    start_workbench: Callable[..., Workbench],
) -> None:
    workbench = start_workbench("server", own_cluster=True)
    assert workbench.postgres is not None
    spans = finished_spans(10)
    sender = exporter(workbench, timeout=45)
    assert sender.export(finished_spans(1)) == SpanExportResult.SUCCESS
    workbench.postgres.stop()
    back = threading.Timer(2.0, workbench.postgres.start)
    back.start()
    try:
        assert sender.export(spans) == SpanExportResult.SUCCESS
    finally:
        back.join()
    assert count(workbench, spans) == 10
