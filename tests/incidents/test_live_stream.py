"""Open pages hear pings: their own room's regions, everybody else's as one word, all of them after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from django.test import AsyncClient

from incidents.operations.timeline import CHANNEL
from incidents.views import live
from rollouts.operations.eval_runs import CHANNEL as RUNS
from tests.browsers import Browser


async def until(stream: AsyncIterator[bytes], word: str) -> str:
    """What the stream said up to and with ``word``."""
    said = ""
    async with asyncio.timeout(10):
        async for chunk in stream:
            said += chunk.decode()
            if word in said:
                break
    return said


async def notify(*payloads: str) -> None:
    async with await psycopg.AsyncConnection.connect(**live.parameters(), autocommit=True) as connection:
        for payload in payloads:
            await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])


async def listening(board: live.Switchboard) -> None:
    """Wait until the process listens: what is told before nobody hears."""
    async with asyncio.timeout(10):
        while not board.ready.is_set():
            await asyncio.sleep(0.01)


@pytest.mark.django_db
def test_a_room_hears_its_own_regions_once_and_others_as_incidents() -> None:
    async def story() -> tuple[str, str]:
        room, elsewhere = live.stream(live.Mailbox("INC-7")), live.stream(live.Mailbox("INC-8"))
        await anext(room), await anext(elsewhere)
        await listening(live.switchboard())
        await notify("INC-7 timeline header", "INC-7 timeline legs")
        heard = await until(room, "legs"), await until(elsewhere, "incidents")
        await room.aclose()
        await elsewhere.aclose()
        assert live.switchboard().listener is None
        return heard

    own, others = asyncio.run(story())
    assert own.count("event: timeline\n") == 1
    assert {"event: header", "event: legs", "event: incidents"} <= set(own.split("\n"))
    assert "timeline" not in others


@pytest.mark.django_db
def test_the_page_of_a_run_and_the_room_it_is_for_hear_that_it_moved_on() -> None:
    async def story() -> tuple[str, str, str]:
        streams = [live.stream(live.Mailbox(scope)) for scope in ("run-12", "INC-7", "run-1")]
        for stream in streams:
            await anext(stream)
        await listening(live.switchboard())
        async with await psycopg.AsyncConnection.connect(**live.parameters(), autocommit=True) as connection:
            await connection.execute("SELECT pg_notify(%s, %s)", [RUNS, "12 INC-7"])
        await notify("INC-8 timeline")
        heard = await until(streams[0], "runs"), await until(streams[1], "runs"), await until(streams[2], "incidents")
        for stream in streams:
            await stream.aclose()
        return heard

    of_run, of_room, of_another = asyncio.run(story())
    assert "event: runs" in of_run
    assert "event: runs" in of_room
    assert "event: runs" not in of_another


@pytest.mark.django_db
def test_a_lost_database_connection_is_taken_up_again_and_pages_are_told_to_look_anew() -> None:
    async def story() -> str:
        stream = live.stream(live.Mailbox("INC-7"))
        await anext(stream)
        board = live.switchboard()
        await listening(board)
        async with await psycopg.AsyncConnection.connect(**live.parameters(), autocommit=True) as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
                " AND datname = current_database()"
            )
        heard = await until(stream, "timeline")
        await stream.aclose()
        return heard

    assert "event: incidents" in asyncio.run(story())


def test_names_that_are_no_event_are_not_passed_on() -> None:
    async def story() -> list[str]:
        box = live.Mailbox("board")
        box.put("timeline", "a\nb", "Header", "legs", "timeline")
        return await box.take()

    assert asyncio.run(story()) == ["timeline", "legs"]


@pytest.mark.django_db
def test_the_stream_is_for_those_who_may_view_and_is_capped(settings: object) -> None:
    settings.STREAM_LIMIT = 0  # type: ignore[attr-defined]
    answer = Browser("viewer").get("/events/", scope="board")
    assert (answer.status_code, answer["Retry-After"]) == (503, "30")


@pytest.mark.django_db
def test_a_stranger_hears_nothing() -> None:
    answer = asyncio.run(AsyncClient().get("/events/"))
    assert answer.status_code == 302
