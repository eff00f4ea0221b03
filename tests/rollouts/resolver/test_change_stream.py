"""The change stream of a real resolver process."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from rollouts.operations.roll_back import roll_back
from rollouts.resolver.state import Grant
from rollouts.resolver.stream import Mailbox
from tests import databases
from tests.factories.accounts import person
from tests.factories.rollouts import running
from tests.resolvers import running_resolver, wait_until
from tests.rollouts.resolver.conftest import World

BULK = "/ofrep/v1/evaluate/flags"


def events(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    """Each event's fields, ``data`` parsed."""
    found: dict[str, Any] = {}
    for line in stream.iter_lines():
        name, _, value = line.partition(": ")
        if not line and "data" in found:
            yield found
            found = {}
        elif name:
            found[name] = json.loads(value) if name == "data" else value


def test_the_first_event_says_where_things_stand_and_the_next_comes_with_the_flip(world: World) -> None:
    where = running("1.0.0", "2.0.0", key="streamed")
    wait_until(lambda: world.value("streamed.version") == "2.0.0", "the version is served")
    with world.resolver.client(world.key) as client, client.stream("GET", "/api/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = events(stream)
        first = next(told)
        assert first["event"] == "message"
        assert first["data"]["type"] == "refetchEvaluation"
        assert first["id"] == first["data"]["etag"]
        began = time.monotonic()
        roll_back(where, actor=person())
        second = next(told)
        assert time.monotonic() - began < 1
    assert second["id"] != first["id"]
    assert second["data"]["epoch"] == first["data"]["epoch"] + 1
    assert world.value("streamed.version") == "1.0.0"


def test_the_url_in_a_bulk_answer_opens_the_stream_without_the_key(world: World) -> None:
    where = running("1.0.0", "2.0.0", key="by-url")
    wait_until(lambda: world.value("by-url.version") == "2.0.0", "the version is served")
    with world.resolver.client(world.key) as client:
        (offered,) = client.post(BULK, json={"context": {}}).json()["eventStreams"]
    assert offered["type"] == "sse"
    assert world.key not in offered["url"]
    assert offered["url"].startswith(world.resolver.url)
    with world.resolver.client() as client, client.stream("GET", offered["url"]) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": open"  # it knows the newest state already, so nothing is sent
        roll_back(where, actor=person())
        assert any(line.startswith("data:") for line in lines)


def test_a_stale_reader_is_told_at_once(world: World) -> None:
    running("1.0.0", key="stale")
    with (
        world.resolver.client(world.key) as client,
        client.stream("GET", "/api/stream", headers={"Last-Event-ID": "1-old"}) as stream,
    ):
        assert next(events(stream))["data"]["type"] == "refetchEvaluation"


def test_a_stream_token_opens_nothing_else(world: World) -> None:
    with world.resolver.client(world.key) as client:
        url = client.post(BULK, json={"context": {}}).json()["eventStreams"][0]["url"]
    secret = url.partition("token=")[2].partition("&")[0]
    assert world.evaluate("any", key=secret).status_code == 401
    with world.resolver.client() as client:
        assert client.get(f"/api/stream?token={secret[:-1]}x").status_code == 401
        assert client.post("/api/stream", headers={"X-API-Key": world.key}).status_code == 405


def test_streams_beyond_the_limit_are_sent_away_and_a_place_is_free_at_once_when_one_leaves(world: World) -> None:
    with running_resolver(databases.url_of(world.database), STREAM_LIMIT="2") as small:

        def status() -> int:
            with small.client(world.key) as client, client.stream("GET", "/api/stream") as stream:
                return stream.status_code

        with small.client(world.key) as client:
            with client.stream("GET", "/api/stream"), client.stream("GET", "/api/stream"):
                wait_until(lambda: small.readiness()["streams"] == 2, "both are open")
                with client.stream("GET", "/api/stream") as third:
                    assert third.status_code == 503
                    assert third.headers["retry-after"] == "5"
                assert client.get("/healthz").is_success
            wait_until(lambda: small.readiness()["streams"] == 0, "both have left", 2)
            assert status() == 200


def test_stopping_ends_open_streams_instead_of_waiting_for_their_readers(world: World) -> None:
    with (
        running_resolver(databases.url_of(world.database)) as second,
        second.client(world.key) as client,
        client.stream("GET", "/api/stream") as stream,
    ):
        told = events(stream)
        next(told)
        took: list[float] = []
        stopper = threading.Thread(target=lambda: took.append(second.stop()))
        stopper.start()
        assert list(told) == []  # a clean end, not a broken connection
        stopper.join()
    assert took[0] < 1.5


def test_only_the_newest_event_waits_for_a_slow_reader() -> None:
    async def read() -> list[bytes]:
        mailbox = Mailbox(Grant("d", "prod", None, "t"))
        for number in range(5):
            mailbox.put(b"event %d" % number)
        mailbox.beat()
        first = await mailbox.take()
        mailbox.beat()
        second = await mailbox.take()
        mailbox.close()
        return [first, second, await mailbox.take()]

    assert asyncio.run(read()) == [b"event 4", b": beat\n\n", b""]
