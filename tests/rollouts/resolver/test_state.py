"""What is served for given rows, without a database or a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.resolver.snapshot import Activation, Deployment, Key, Snapshot, Stop, Version
from rollouts.resolver.state import Caller, State, build

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BODY = {
    "prompt": {"text": "Hello {{name}} ✓", "few_shots": []},
    "model": {"provider": "anthropic", "snapshot": "m-1", "parameters": {"temperature": 1.0, "top_p": 0.5}},
    "tools": [{"name": "get_order"}, {"name": "refund"}],
    "metadata": {"in_flight_policy": "complete_old", "reviewer": "Grace"},
}
VERSION = Version(number=2, label="2.0.0", digest="d" * 64, body=BODY, created_at=NOON)


def deployment(*stops: Stop, active: Version | None = VERSION, key: str = "forge", id: int = 1) -> Deployment:
    return Deployment(id, key, "prod", active, stops, Activation(7, 41, NOON))


def stop(scope: str, fallback: str = "To a human") -> Stop:
    return Stop(scope, fallback, NOON)


def state(*deployments: Deployment, epoch: int = 42, keys: tuple[Key, ...] = (), before: State | None = None) -> State:
    rows = Snapshot({"prod": epoch}, deployments, {"forge": {2: VERSION}}, keys)
    return build(rows, secret="s", now=NOON, before=before)


def flag(served: State, key: str, caller: Caller = Caller()) -> dict[str, Any]:  # noqa: B008
    found = served.environments["prod"].flags[key]
    answer = found.served.answers(caller)[found.place]
    assert answer is not None
    content: dict[str, Any] = json.loads(answer.body)
    return content


def test_the_object_flag_holds_the_active_version_and_its_parts() -> None:
    assert flag(state(deployment()), "forge") == {
        "key": "forge",
        "value": {
            "key": "forge",
            "environment": "prod",
            "version": {"number": 2, "label": "2.0.0", "digest": "d" * 64},
            "enabled": True,
            "writes_enabled": True,
            "prompt": BODY["prompt"],
            "model": BODY["model"],
            "tools": BODY["tools"],
            "stopped_tools": [],
            "retrieval": {},
            "harness": {},
            "in_flight_policy": "complete_old",
        },
        "reason": "STATIC",
        "variant": "2.0.0",
        "metadata": {
            "bundle": "forge",
            "environment": "prod",
            "epoch": 42,
            "version": 2,
            "label": "2.0.0",
            "digest": "d" * 64,
        },
    }


def test_a_float_that_is_whole_stays_a_float() -> None:
    found = state(deployment()).environments["prod"].flags["forge"].served.everybody[0]
    assert found is not None
    assert b'"temperature":1.0,' in found.body


def test_the_version_flag_is_its_label_and_the_enabled_flag_is_true() -> None:
    served = state(deployment())
    assert (flag(served, "forge.version")["value"], flag(served, "forge.version")["variant"]) == ("2.0.0", "2.0.0")
    assert (flag(served, "forge.enabled")["value"], flag(served, "forge.enabled")["variant"]) == (True, "on")


def test_a_whole_stop_serves_the_off_state_and_still_tells_the_version() -> None:
    served = state(deployment(stop("whole")))
    assert flag(served, "forge")["value"] == {"enabled": False, "fallback": "To a human"}
    assert flag(served, "forge.enabled")["value"] is False
    assert {flag(served, key)["reason"] for key in ("forge", "forge.enabled")} == {"DISABLED"}
    assert {flag(served, key)["variant"] for key in ("forge", "forge.enabled")} == {"off"}
    assert flag(served, "forge")["metadata"]["stop"] == "whole"
    assert (flag(served, "forge.version")["value"], flag(served, "forge.version")["reason"]) == ("2.0.0", "STATIC")


def test_a_stop_without_a_fallback_says_null() -> None:
    assert flag(state(deployment(stop("whole", ""))), "forge")["value"] == {"enabled": False, "fallback": None}


def test_metadata_holds_only_text_numbers_and_booleans() -> None:
    for served in (
        state(deployment()),
        state(deployment(stop("whole"))),
        state(deployment(stop("whole"), active=None)),
    ):
        for value in flag(served, "forge.enabled")["metadata"].values():
            assert isinstance(value, str | int | float | bool)


@pytest.mark.parametrize(
    ("scope", "stopped", "others"),
    [
        ("region:eu", Caller(region="eu"), (Caller(), Caller(region="us"), Caller(cohort="eu"))),
        ("cohort:beta", Caller(cohort="beta"), (Caller(), Caller(cohort="ga"), Caller(region="beta"))),
    ],
)
def test_a_narrow_stop_stops_its_callers_and_nobody_else(scope: str, stopped: Caller, others: tuple[Caller]) -> None:
    served = state(deployment(stop(scope)))
    assert flag(served, "forge", stopped)["value"]["enabled"] is False
    assert flag(served, "forge.enabled", stopped)["reason"] == "DISABLED"
    assert json.loads(b"[" + served.environments["prod"].bulk_for(stopped) + b"]")[0]["value"]["enabled"] is False
    for caller in others:
        assert flag(served, "forge", caller)["value"]["enabled"] is True
        assert flag(served, "forge.enabled", caller)["value"] is True
        assert json.loads(b"[" + served.environments["prod"].bulk_for(caller) + b"]")[0]["value"]["enabled"] is True


def test_stopping_a_tool_takes_it_out_and_names_it() -> None:
    value = flag(state(deployment(stop("tool:refund"))), "forge")["value"]
    assert (value["tools"], value["stopped_tools"]) == ([{"name": "get_order"}], ["refund"])


def test_stopping_writes_is_said_in_the_object() -> None:
    value = flag(state(deployment(stop("writes"))), "forge")["value"]
    assert (value["enabled"], value["writes_enabled"]) == (True, False)


def test_a_whole_stop_wins_over_a_narrow_one() -> None:
    served = state(deployment(stop("region:eu", "narrow"), stop("whole", "wide")))
    assert flag(served, "forge", Caller(region="eu"))["value"]["fallback"] == "wide"


def test_without_an_active_version_nothing_is_served_and_bulk_leaves_it_out() -> None:
    served = state(deployment(active=None))
    assert served.environments["prod"].flags["forge"].served.everybody == (None, None, None)
    assert served.environments["prod"].bulk == b""


def test_a_stop_answers_even_before_anything_was_active() -> None:
    assert flag(state(deployment(stop("whole"), active=None)), "forge.enabled")["value"] is False


def test_the_configuration_etag_moves_with_the_epoch_and_with_the_content() -> None:
    first = state(deployment()).environments["prod"].etag
    assert state(deployment()).environments["prod"].etag == first
    assert state(deployment(), epoch=43).environments["prod"].etag != first
    assert state(deployment(stop("region:eu"))).environments["prod"].etag != first


def test_a_key_allows_its_environment_until_it_expires() -> None:
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    served = state(keys=(Key(digest, "prod", NOON + timedelta(hours=1)),))
    found = served.grant_of("secret", NOON)
    assert found is not None
    assert found.environment == "prod"
    assert served.grant_of("secret", NOON + timedelta(hours=1)) is None
    assert served.grant_of("Secret", NOON) is None
    assert served.stream_grant_of(found.stream_token, NOON) is found
    assert served.stream_grant_of(found.stream_token, NOON + timedelta(hours=1)) is None
    assert "secret" not in found.stream_token


def test_a_schema_deeper_than_the_fast_encoder_goes_is_still_served() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"properties": deep}
    version = Version(1, "deep", "d" * 64, BODY | {"tools": [{"name": "deep", "input_schema": deep}]}, NOON)
    assert flag(state(deployment(active=version)), "forge")["value"]["tools"][0]["name"] == "deep"
