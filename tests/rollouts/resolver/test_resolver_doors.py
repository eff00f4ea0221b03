"""OFREP on a real resolver process over a real database: flips, stops, keys, bad input."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from accounts import clock
from accounts.models import ResolverKey, SiteRole
from accounts.operations import keys
from rollouts.operations import kill_switch
from rollouts.operations.roll_back import roll_back
from tests.factories.accounts import SHELL, person, token
from tests.factories.rollouts import activate, deployment, running, version
from tests.resolvers import wait_until
from tests.rollouts.resolver.conftest import World, new_key

BULK = "/ofrep/v1/evaluate/flags"
#: A change is noticed by notice, not by looking again.
PROMPT_SECONDS = 1.0
#: A revoked key is noticed by looking again.
SECONDS = 6.0


def label(world: World, key: str) -> Any:
    return world.value(f"{key}.version")


def test_a_promoted_version_is_served_whole_with_floats_as_floats(world: World) -> None:
    made = version("whole", "1.0.0", model={"parameters": {"temperature": 1.0}}, text="Grüße {{name}}")
    activate(made)
    wait_until(lambda: label(world, "whole") == "1.0.0", "the version is served")
    answer = world.evaluate("whole")
    value = answer.json()["value"]
    assert value["version"] == {"number": 1, "label": "1.0.0", "digest": made.digest}
    assert value["prompt"]["text"] == "Grüße {{name}}"
    assert '"temperature":1.0' in answer.text
    assert answer.headers["content-type"] == "application/json"


def test_a_rollback_reaches_the_next_question(world: World) -> None:
    where = running("1.0.0", "2.0.0", key="taken-back")
    wait_until(lambda: label(world, "taken-back") == "2.0.0", "the newer version is served")
    roll_back(where, actor=person())
    wait_until(lambda: label(world, "taken-back") == "1.0.0", "the older version is served", PROMPT_SECONDS)


def test_a_stop_and_its_release_reach_the_next_question(world: World) -> None:
    where = running("1.0.0", key="stopped")
    wait_until(lambda: label(world, "stopped"), "the version is served")
    made = kill_switch.stop(where, actor=person(), reason="harm", fallback="To a human")
    wait_until(lambda: world.value("stopped.enabled") is False, "the stop is served", PROMPT_SECONDS)
    assert world.value("stopped") == {"enabled": False, "fallback": "To a human"}
    assert world.evaluate("stopped").json()["reason"] == "DISABLED"
    assert label(world, "stopped") == "1.0.0"
    kill_switch.release(made, actor=person(SiteRole.ADMIN), reason="fixed")
    wait_until(lambda: world.value("stopped.enabled") is True, "the release is served", PROMPT_SECONDS)
    assert world.value("stopped")["version"]["label"] == "1.0.0"


@pytest.mark.parametrize("attribute", ["region", "cloud.region"])
def test_a_region_is_stopped_by_what_the_context_says(world: World, attribute: str) -> None:
    key = f"in-{attribute}"
    kill_switch.stop(running("1.0.0", key=key), actor=person(), scope="region:eu", fallback="queue")
    wait_until(lambda: world.value(key, {attribute: "eu"}) == {"enabled": False, "fallback": "queue"}, "eu is stopped")
    assert world.value(key, {attribute: "us"})["enabled"] is True
    assert world.value(key)["enabled"] is True


def test_an_unknown_key_is_not_found_in_the_protocols_words(world: World) -> None:
    answer = world.evaluate("nobody")
    assert answer.status_code == 404
    assert answer.json()["key"] == "nobody"
    assert answer.json()["errorCode"] == "FLAG_NOT_FOUND"
    assert "prod" in answer.json()["errorDetails"]


def test_a_bundle_that_is_not_active_here_is_not_found_and_says_so(world: World) -> None:
    version("pushed-only", "1.0.0")
    sentence = "pushed-only has no active version in prod: promote one first."
    wait_until(lambda: world.evaluate("pushed-only").json()["errorDetails"] == sentence, "the push is noticed", SECONDS)
    assert world.evaluate("pushed-only").status_code == 404
    assert world.evaluate("pushed-only.version").status_code == 404


@pytest.mark.parametrize("key", ["a%2Fb", "%00", "%ff", "é", "a b", "x" * 4000, "a/b/c"])
def test_a_key_that_no_bundle_can_have_is_not_found(world: World, key: str) -> None:
    answer = world.evaluate(key)
    assert answer.status_code == 404
    assert answer.json()["errorCode"] == "FLAG_NOT_FOUND"


@pytest.mark.parametrize("path", [BULK, f"{BULK}/malformed"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "PARSE_ERROR"),
        (b'{"context": {"targ', "PARSE_ERROR"),
        (b"context=1", "PARSE_ERROR"),
        (b'{"context":{"a":"\xff"}}', "PARSE_ERROR"),
        (b'{"context":{"a":' + b"[" * 63 + b"]" * 63 + b"}}", "PARSE_ERROR"),
        (b"[" * 60_000, "PARSE_ERROR"),
        (b"[]", "INVALID_CONTEXT"),
        (b"null", "INVALID_CONTEXT"),
        (b'{"context":"me"}', "INVALID_CONTEXT"),
        (b'{"context":{"targetingKey":5}}', "INVALID_CONTEXT"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_a_code_and_a_sentence(
    world: World, path: str, body: bytes, code: str
) -> None:
    with world.resolver.client(world.key) as client:
        answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] == code
    assert answer.json()["errorDetails"]
    assert ("key" in answer.json()) == (path != BULK)


def test_a_body_of_ten_megabytes_is_too_large(world: World) -> None:
    with world.resolver.client(world.key) as client:
        answer = client.post(f"{BULK}/large", content=b"x" * 10_000_000)
    assert (answer.status_code, answer.json()["errorCode"]) == (413, "PARSE_ERROR")


def test_only_a_post_evaluates(world: World) -> None:
    with world.resolver.client(world.key) as client:
        assert client.get(f"{BULK}/any").status_code == 405
        assert client.get("/ofrep/v1/configuration").status_code == 404


def test_keys_come_as_bearer_or_as_api_key(world: World) -> None:
    running("1.0.0", key="two-ways")
    wait_until(lambda: label(world, "two-ways"), "the version is served")
    with world.resolver.client() as client:
        path = f"{BULK}/two-ways.version"
        assert client.post(path, json={}, headers={"X-API-Key": world.key}).is_success
        assert client.post(path, json={}, headers={"Authorization": f"bearer {world.key}"}).is_success


@pytest.mark.parametrize("secret", ["", "wrong", "lgr_" + "x" * 43, "ü"])
def test_without_a_known_key_nothing_is_told(world: World, secret: str) -> None:
    with world.resolver.client() as client:
        for path in (BULK, f"{BULK}/any"):
            answer = client.post(path, json={}, headers=[(b"X-API-Key", secret.encode())])
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert client.get("/api/stream").status_code == 401


def test_an_api_token_is_the_wrong_kind_of_key(world: World) -> None:
    assert world.evaluate("any", key=token()[1]).status_code == 403


def test_a_key_selects_its_environment(world: World) -> None:
    activate(version("only-staging", "1.0.0"), "staging")
    wait_until(lambda: world.evaluate("only-staging", key=world.staging_key).is_success, "staging serves it")
    assert world.evaluate("only-staging").status_code == 404


def test_keys_end_within_seconds_when_revoked_or_expired_and_so_do_their_streams(world: World) -> None:
    revoked, expired, homeless = new_key(), new_key(), new_key("moon")

    def statuses(*secrets: str) -> list[int]:
        return [world.evaluate("any", key=secret).status_code for secret in secrets]

    wait_until(lambda: statuses(revoked, expired, homeless) == [404, 404, 403], "all are known", SECONDS)
    with world.resolver.client(revoked) as client, client.stream("GET", "/api/stream") as stream:
        token_url = client.post(BULK, json={"context": {}}).json()["eventStreams"][0]["url"]
        lines = stream.iter_lines()
        next(lines)
        keys.revoke(ResolverKey.objects.get(hint=revoked[:12]), actor=SHELL)
        ResolverKey.objects.filter(hint=expired[:12]).update(expires_at=clock.now() - timedelta(seconds=1))
        wait_until(lambda: statuses(revoked, expired) == [401, 401], "both are refused", SECONDS)
        assert [line for line in lines if line.startswith("event")] == []
        assert client.get(token_url, headers={"Authorization": ""}).status_code == 401


def test_bulk_lists_every_active_flag_and_is_not_sent_twice(world: World) -> None:
    running("1.0.0", key="in-bulk")
    wait_until(lambda: label(world, "in-bulk"), "the version is served")
    context = {"context": {"targetingKey": "me", "plan": "free"}}
    with world.resolver.client(world.key) as client:
        first = client.post(BULK, json=context)
        assert {"in-bulk", "in-bulk.version", "in-bulk.enabled"} <= {flag["key"] for flag in first.json()["flags"]}
        assert all("variant" in flag and "reason" in flag for flag in first.json()["flags"])
        assert first.json()["metadata"]["environment"] == "prod"
        seen = {"If-None-Match": first.headers["etag"]}
        again = client.post(BULK, json={"context": {"plan": "free", "targetingKey": "me"}}, headers=seen)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        several = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
        assert client.post(BULK, json=context, headers=several).status_code == 304
        other = client.post(BULK, json={"context": {"targetingKey": "me", "plan": "paid"}}, headers=seen)
        assert other.status_code == 200
        told = first.json()["eventStreams"][0]["url"].partition("since=")[2]
        assert client.post(f"{BULK}?flagConfigEtag={told}", json=context, headers=seen).status_code == 304
        assert client.post(f"{BULK}?flagConfigEtag=0-other", json=context, headers=seen).status_code == 200


def test_a_flip_ends_the_304(world: World) -> None:
    where = running("1.0.0", "2.0.0", key="changed")
    wait_until(lambda: label(world, "changed") == "2.0.0", "the version is served")
    with world.resolver.client(world.key) as client:
        seen = {"If-None-Match": client.post(BULK, json={"context": {}}).headers["etag"]}
        assert client.post(BULK, json={"context": {}}, headers=seen).status_code == 304
        roll_back(where, actor=person())
        wait_until(
            lambda: client.post(BULK, json={"context": {}}, headers=seen).status_code == 200, "the flip", PROMPT_SECONDS
        )


def test_a_caller_told_of_a_newer_epoch_is_kept_until_it_is_here(world: World) -> None:
    running("1.0.0", key="ahead")
    wait_until(lambda: label(world, "ahead"), "the version is served")
    with world.resolver.client(world.key) as client:
        began = time.monotonic()
        assert client.post(f"{BULK}?flagConfigEtag=999999-other", json={"context": {}}).status_code == 200
        assert 0.4 < time.monotonic() - began < 3


def test_answers_leave_in_one_write(world: World) -> None:
    """Headers and body in two packets cost 40 ms each time (delayed acknowledgement)."""
    running("1.0.0", key="quick")
    wait_until(lambda: label(world, "quick"), "the version is served")
    times = []
    with world.resolver.client(world.key) as client:
        for _ in range(50):
            began = time.perf_counter()
            client.post(f"{BULK}/quick", json={"context": {}})
            times.append(time.perf_counter() - began)
    assert sorted(times)[25] < 0.02


def test_a_deployment_made_after_the_start_is_served(world: World) -> None:
    assert world.evaluate("late").status_code == 404
    activate(version("late", "1.0.0"))
    wait_until(lambda: label(world, "late") == "1.0.0", "the version is served", PROMPT_SECONDS)
    assert deployment("late").active is not None
