"""OpenFeature's own Python provider against a real resolver, with everything it is strict about."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connection
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from accounts.operations import keys
from rollouts.operations import kill_switch
from rollouts.operations.roll_back import roll_back
from tests import databases
from tests.factories.accounts import SHELL, UserFactory, person
from tests.factories.rollouts import activate, running, version
from tests.resolvers import Resolver, running_resolver, wait_until

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def resolver(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Resolver, str]]:
    """A resolver process on a database of its own, and a key of prod."""
    with (
        django_db_blocker.unblock(),
        databases.copied_database("peer") as name,
        databases.pointed_at(name),
        running_resolver(databases.url_of(name)) as running_one,
    ):
        key = keys.issue_resolver_key("peer", "prod", issuer=UserFactory(), actor=SHELL)[1]
        with running_one.client(key) as client:
            path = "/ofrep/v1/evaluate/flags/any"
            wait_until(lambda: client.post(path, json={}).status_code == 404, "the key is known")
        yield running_one, key
        connection.close()


@contextlib.contextmanager
def connected(url: str, key: str) -> Iterator[OpenFeatureClient]:
    """The SDK's client with the OFREP provider, configured as its documentation says."""
    provider = OFREPProvider(url, headers_factory=lambda: {"Authorization": f"Bearer {key}"})
    api.set_provider(provider, domain="lastgood")
    try:
        yield api.get_client("lastgood")
    finally:
        api.clear_providers()
        provider.session.close()


@pytest.fixture
def client(resolver: tuple[Resolver, str]) -> Iterator[OpenFeatureClient]:
    with connected(resolver[0].url, resolver[1]) as made:
        yield made


ME = EvaluationContext("instance-1", {"region": "eu", "plan": "free"})


def test_the_three_flags_of_a_bundle_resolve_with_variant_reason_and_metadata(client: OpenFeatureClient) -> None:
    made = version("peer", "1.0.0", model={"parameters": {"temperature": 1.0}})
    activate(made)
    wait_until(lambda: client.get_string_value("peer.version", "", ME), "the version is served")
    whole = client.get_object_details("peer", {}, ME)
    assert (whole.reason, whole.variant, whole.error_code) == (Reason.STATIC, "1.0.0", None)
    assert isinstance(whole.value, dict)
    assert whole.value["version"] == {"number": 1, "label": "1.0.0", "digest": made.digest}
    assert '"temperature": 1.0' in json.dumps(whole.value["model"])
    assert whole.flag_metadata["bundle"] == "peer"
    assert whole.flag_metadata["version"] == 1
    assert isinstance(whole.flag_metadata["epoch"], int)
    assert client.get_string_value("peer.version", "", ME) == "1.0.0"
    assert client.get_boolean_value("peer.enabled", False, ME) is True


def test_it_works_without_a_targeting_key_and_without_a_context(client: OpenFeatureClient) -> None:
    running("1.0.0", key="anonymous")
    wait_until(lambda: client.get_string_value("anonymous.version", ""), "the version is served")
    assert client.get_string_value("anonymous.version", "", EvaluationContext(None, {"plan": "free"})) == "1.0.0"
    assert client.provider.resolve_string_details("anonymous.version", "", None).value == "1.0.0"


def test_a_rollback_is_in_the_next_evaluation(client: OpenFeatureClient) -> None:
    where = running("1.0.0", "2.0.0", key="back")
    wait_until(lambda: client.get_string_value("back.version", "", ME) == "2.0.0", "the newer version is served")
    roll_back(where, actor=person())
    wait_until(lambda: client.get_string_value("back.version", "", ME) == "1.0.0", "the older version is served", 1)


def test_the_off_state_is_disabled_not_an_error(client: OpenFeatureClient) -> None:
    where = running("1.0.0", key="off")
    wait_until(lambda: client.get_boolean_value("off.enabled", False, ME), "the version is served")
    kill_switch.stop(where, actor=person(), fallback="To a human")
    wait_until(lambda: client.get_boolean_value("off.enabled", True, ME) is False, "the stop is served", 1)
    enabled = client.get_boolean_details("off.enabled", True, ME)
    assert (enabled.reason, enabled.variant, enabled.error_code) == (Reason.DISABLED, "off", None)
    whole = client.get_object_details("off", {"mine": 1}, ME)
    assert (whole.value, whole.reason, whole.error_code) == (
        {"enabled": False, "fallback": "To a human"},
        Reason.DISABLED,
        None,
    )
    assert whole.flag_metadata["stop"] == "whole"
    assert client.get_string_value("off.version", "", ME) == "1.0.0"


def test_a_stopped_region_is_stopped_by_the_sdks_context(client: OpenFeatureClient) -> None:
    kill_switch.stop(running("1.0.0", key="regional"), actor=person(), scope="region:eu")
    wait_until(lambda: client.get_object_details("regional", {}, ME).reason == Reason.DISABLED, "eu is stopped")
    elsewhere = EvaluationContext("instance-2", {"region": "us"})
    assert client.get_boolean_value("regional.enabled", False, elsewhere) is True


def test_an_unknown_flag_gives_the_callers_default_and_flag_not_found(client: OpenFeatureClient) -> None:
    details = client.get_object_details("nobody", {"mine": 1}, ME)
    assert (details.value, details.error_code) == ({"mine": 1}, ErrorCode.FLAG_NOT_FOUND)
    assert "nobody" not in (details.error_message or "")
    assert "key" in (details.error_message or "")


def test_a_context_the_server_cannot_use_is_an_invalid_context_with_a_sentence(client: OpenFeatureClient) -> None:
    details = client.get_string_details("any", "mine", EvaluationContext(5, {}))  # type: ignore[arg-type]
    assert (details.value, details.error_code) == ("mine", ErrorCode.INVALID_CONTEXT)
    assert "targetingKey" in (details.error_message or "")


def test_a_wrong_key_gives_the_callers_default(resolver: tuple[Resolver, str]) -> None:
    with connected(resolver[0].url, "wrong") as stranger:
        details = stranger.get_boolean_details("any.enabled", True, ME)
    assert (details.value, details.error_code) == (True, ErrorCode.GENERAL)


def test_asking_for_the_wrong_type_is_a_mismatch_not_a_crash(client: OpenFeatureClient) -> None:
    running("1.0.0", key="typed")
    wait_until(lambda: client.get_string_value("typed.version", "", ME), "the version is served")
    assert client.get_boolean_details("typed.version", False, ME).error_code == ErrorCode.TYPE_MISMATCH


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"key": "k", "value": 1, "reason": "STATIC", "variant": "v"}, ErrorCode.TYPE_MISMATCH),
        ({"key": "k", "value": 1.0, "reason": "STATIC"}, ErrorCode.GENERAL),
        ({"key": "k", "value": 1.0, "reason": "KILL_SWITCH", "variant": "v"}, ErrorCode.GENERAL),
        ({"key": "k", "value": 1.0, "reason": "STATIC", "variant": "v"}, None),
    ],
)
def test_why_the_resolver_is_as_strict_as_it_is(answer: dict[str, Any], error: ErrorCode | None) -> None:
    """What this provider makes of answers that are laxer than ours: if it mellows, this says so."""

    class Lax(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Lax) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with connected(f"http://127.0.0.1:{server.server_port}", "any") as lax:
                assert lax.get_float_details("k", 0.5, ME).error_code == error
        finally:
            server.shutdown()
