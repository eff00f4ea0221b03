"""`/v1/traces` from the outside: who may, what is answered, and that nothing is kept twice or kept half."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from accounts import clock
from accounts.models import Scope
from accounts.operations import keys
from rollouts.models import AgentRun, Invocation
from rollouts.telemetry import door
from rollouts.telemetry.partitions import ensure_partitions
from rollouts.telemetry.semantics import COST, IN_COLUMNS, TOOL_ARGUMENTS
from tests.factories.accounts import SHELL, UserFactory, token
from tests.spans import Sender, request, span

pytestmark = pytest.mark.django_db
FIXTURES = Path(__file__).parent / "fixtures"
LANGFUSE = "/api/public/otel/v1/traces"


@pytest.fixture
def sender(client: Client) -> Sender:
    return Sender(client)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"pk-whoever:{password}".encode()).decode()


def test_a_span_becomes_an_invocation(sender: Sender) -> None:
    answer = sender.post(request(span({"gen_ai.operation.name": "chat", "lastgood.bundle": "shop"})))
    assert (answer.status_code, answer.json(), answer["Content-Type"]) == (200, {}, "application/json")
    found = Invocation.objects.get()
    assert (found.bundle_key, found.environment, found.failed, found.day) == ("shop", "prod", False, found.at.date())
    assert found.attributes == {"service.name": "shop"}


def test_protobuf_is_answered_in_protobuf(sender: Sender) -> None:
    body = (FIXTURES / "anthropic-tools.traces.pb").read_bytes()
    answer = sender.post(gzip.compress(body), "application/x-protobuf", Content_Encoding="gzip")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, b"", "application/x-protobuf")
    assert Invocation.objects.get().input_tokens == 514


def test_a_span_about_something_else_is_taken_and_not_kept(sender: Sender) -> None:
    answer = sender.post((FIXTURES / "otlp-json-spec" / "trace.json").read_bytes(), "application/json; charset=utf-8")
    assert (answer.status_code, answer.json()) == (200, {})
    assert not Invocation.objects.exists()


def test_the_same_batch_twice_is_kept_once(sender: Sender) -> None:
    body = request(*(span({"gen_ai.operation.name": "chat", "lastgood.bundle": "shop"}) for _ in range(5)))
    for _ in range(2):
        assert sender.post(body).json() == {}
    assert (Invocation.objects.count(), AgentRun.objects.count()) == (5, 5)


def test_what_cannot_be_kept_is_counted_and_the_rest_is_kept(sender: Sender) -> None:
    at = clock.now()
    answer = sender.post(
        request(
            span(),
            span(at=at - timedelta(days=40)),
            span(at=at + timedelta(days=1, minutes=5)),
            span() | {"startTimeUnixNano": "0"},
            span(trace="0" * 32),
            span(trace="abc"),
            span(span_id="W47/95gDgQPSabYz"),
        )
    )
    told = answer.json()["partialSuccess"]
    assert (answer.status_code, told["rejectedSpans"]) == (200, "6")
    assert "1970-01-01" in told["errorMessage"]
    assert "check the sender's clock" in told["errorMessage"]
    assert Invocation.objects.count() == 1


def test_a_clock_that_is_a_day_off_is_kept_on_its_own_day(sender: Sender) -> None:
    at = clock.now()
    sent = [at - timedelta(days=1), at, at + timedelta(hours=23, minutes=59)]
    assert sender.post(request(*(span(at=moment) for moment in sent))).json() == {}
    assert [found.day for found in Invocation.objects.order_by("at")] == [moment.date() for moment in sent]


def test_one_request_may_bring_only_so_many(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_ROWS", 3)
    assert sender.post(request(*(span() for _ in range(5)))).json()["partialSuccess"]["rejectedSpans"] == "2"
    assert Invocation.objects.count() == 3


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "status"),
    [
        (b"", "application/json", "", 400),
        (b'{"resourceSpans": [', "application/json", "", 400),
        (b"\xff", "application/json", "", 400),
        (b"{}", "application/x-protobuf", "", 400),
        (b"{}", "application/json", "gzip", 400),
        (b"{}", "application/json", "br", 415),
        (b"{}", "text/plain", "", 415),
        (b"{}", "application/x-www-form-urlencoded", "", 415),
        (b"x" * 2_000, "application/json", "", 413),
        (gzip.compress(b" " * 2_000, mtime=0), "application/json", "gzip", 413),
    ],
)
def test_a_bad_body_is_refused_with_a_status(
    sender: Sender, settings: Any, body: bytes, content_type: str, encoding: str, status: int
) -> None:
    settings.OTLP_MAX_BYTES = 1_000
    answer = sender.post(body, content_type, **({"Content-Encoding": encoding} if encoding else {}))
    assert answer.status_code == status
    if content_type == "application/x-protobuf":
        assert answer["Content-Type"] == content_type
        assert answer.content.startswith(b"\x08\x03\x12")
    else:
        assert answer["Content-Type"] == "application/json"
        assert answer.json().keys() == {"code", "message"}
    assert not Invocation.objects.exists()


def test_ten_megabytes_are_read_and_cut(sender: Sender) -> None:
    made = span({"gen_ai.operation.name": "chat", "gen_ai.input.messages": "x" * 10_000_000})
    assert sender.post(request(made)).json() == {}
    assert len(Invocation.objects.get().attributes["gen_ai.input.messages"]) < 10_000


def test_hostile_text_stays_text(sender: Sender) -> None:
    hostile = "<script>alert(1)</script>'; DROP TABLE x; --\x00{{7*7}}"
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.tool.name": hostile, "note": hostile}
    made = span(attributes, name=hostile, status=2, message=hostile)
    assert sender.post(request(made)).json() == {}
    found = Invocation.objects.get()
    kept = hostile.replace("\x00", "\ufffd")
    assert (found.name, found.tool_name, found.error_message, found.attributes["note"]) == (kept, kept, kept, kept)


NAMES = [*sorted(IN_COLUMNS), *COST, *TOOL_ARGUMENTS, "gen_ai.output.messages", "gen_ai.evaluation.name", "note"]
ODD = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.sampled_from(["\x00", "0" * 300, "{}", "[[]]", '{"total": "x"}', "-1", "1e400", "\ud7ff\x00", "a/b/c/d", "k@"]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=3),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES), ODD, max_size=8)


@budget(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=ATTRIBUTES, told=ATTRIBUTES, parent=st.text(max_size=20), status=st.integers(-3, 9), text=ODD)
def test_whatever_a_span_says_it_is_taken(
    sender: Sender, said: Any, told: Any, parent: str, status: int, text: Any
) -> None:
    events = [(name, told) for name in ("gen_ai.evaluation.result", "exception", "feature_flag.evaluation")]
    made = span(
        {"gen_ai.operation.name": "chat"} | said, parent=parent, status=status, message=str(text), events=events
    )
    assert sender.post(request(made, resource=told)).json() == {}


def test_logs_and_metrics_are_said_not_to_be_taken(sender: Sender) -> None:
    for path in ("/v1/logs", "/v1/metrics", "/api/public/otel/v1/metrics"):
        answer = sender.post(b"", "application/x-protobuf", path=path)
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/x-protobuf")
        assert b"traces only" in answer.content


def test_reading_is_refused(client: Client) -> None:
    answer = client.get("/v1/traces")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")


# -- keys ----------------------------------------------------------------------------------------------------------
def revoked() -> str:
    made, secret = token(Scope.TELEMETRY)
    keys.revoke(made, actor=SHELL)
    return secret


def expired() -> str:
    long_ago = clock.now() - timedelta(hours=1)
    return keys.issue_token("old", [Scope.TELEMETRY], issuer=UserFactory(), actor=SHELL, expires_at=long_ago)[1]


def resolver_key(environment: str = "staging") -> str:
    issuer = UserFactory()
    return keys.issue_resolver_key("runtime", environment, issuer=issuer, actor=SHELL)[1]


@pytest.mark.parametrize(
    ("secret", "status"),
    [
        (lambda: "wrong", 401),
        (lambda: "", 401),
        (lambda: "w\u00f6", 401),
        (revoked, 401),
        (expired, 401),
        (resolver_key, 401),
        (lambda: token(Scope.READ, Scope.PUSH)[1], 403),
        (lambda: token(Scope.TELEMETRY)[1], 200),
    ],
    ids=["wrong", "empty", "not ASCII", "revoked", "expired", "resolver key", "other scopes", "right"],
)
@pytest.mark.parametrize("form", ["bearer", "basic"])
def test_only_a_key_for_telemetry_opens(client: Client, secret: Callable[[], str], status: int, form: str) -> None:
    made = secret()
    header = basic(made) if form == "basic" else f"Bearer {made}"
    body = json.dumps(request(span()))
    answer = client.post("/v1/traces", body, content_type="application/json", headers={"Authorization": header})
    assert answer.status_code == status
    assert Invocation.objects.exists() is (status == 200)
    if status == 401:
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_signed_in_person_is_no_sender(client: Client) -> None:
    client.force_login(UserFactory(is_superuser=True))
    answer = client.post("/v1/traces", json.dumps(request(span())), content_type="application/json")
    assert answer.status_code == 401


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic aGVsbG8=", "Digest x", "basic " + "/" * 8])
def test_a_broken_authorization_header_is_401(client: Client, header: str) -> None:
    answer = client.post(LANGFUSE, b"{}", content_type="application/json", headers={"Authorization": header})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Basic")


def test_the_langfuse_door_takes_the_key_that_resolves_prompts_and_its_environment(client: Client) -> None:
    body = request(
        span({"langfuse.observation.type": "generation", "langfuse.environment": "default"}),
        span({"langfuse.observation.type": "generation", "langfuse.environment": "production"}),
        resource={},
    )
    headers = {"Authorization": basic(resolver_key("staging")), "x-langfuse-ingestion-version": "4"}
    answer = client.post(LANGFUSE, json.dumps(body), content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert list(Invocation.objects.order_by("id").values_list("environment", flat=True)) == ["staging", "prod"]


# -- the database --------------------------------------------------------------------------------------------------
def test_while_the_database_is_away_the_sender_is_told_to_come_again(sender: Sender) -> None:
    def away(*_: Any) -> Any:
        raise OperationalError("the server closed the connection")

    for begins_with in ("SELECT", "INSERT"):

        def break_some(execute: Any, sql: Any, *rest: Any, start: str = begins_with) -> Any:
            return away() if str(sql).lstrip().startswith(start) else execute(sql, *rest)

        with connection.execute_wrapper(break_some):
            answer = sender.post(request(span()))
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert not Invocation.objects.exists()


def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(
    sender: Sender, django_assert_max_num_queries: Any
) -> None:
    ensure_partitions([clock.now().date(), (clock.now() + timedelta(minutes=1)).date()])
    for size in (1, 200):
        made = [span({"gen_ai.operation.name": "chat", "lastgood.bundle": "shop"}) for _ in range(size)]
        with django_assert_max_num_queries(12):
            assert sender.post(request(*made)).status_code == 200
