"""Open pages hear that something changed and fetch it themselves: pings over server-sent events, nothing else.

One connection per server process listens to PostgreSQL; every open page has a mailbox of event names. A page that
misses a ping loses nothing: it fetches the present state on its next one, or every ten seconds without a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from accounts import clock
from accounts.middleware import ActorRequest
from accounts.operations.people import CHANNEL as PEOPLE
from incidents.operations.timeline import CHANNEL as INCIDENTS
from rollouts.operations.epoch import CHANNEL as EPOCH
from rollouts.operations.eval_runs import CHANNEL as RUNS
from rollouts.resolver.propagation import CHANNEL as PROPAGATION

BEAT = 15.0  # seconds between comments that keep proxies from closing a quiet stream
GATHER = 0.1  # seconds in which pings of one change are gathered
EVENT = re.compile(r"^[a-z][a-z-]{0,30}$")

logger = logging.getLogger(__name__)


class Mailbox:
    """The pings one open page has not been told yet; each name at most once."""

    def __init__(self, scope: str, user: int | None = None) -> None:
        self.scope = scope
        self.user = user  # whose page it is; None: nobody can be seen out
        self.since = clock.now()
        self.over = False
        self.waiting: dict[str, None] = {}
        self.arrived = asyncio.Event()

    def close(self) -> None:
        """The stream ends; whoever may still look opens another."""
        self.over = True
        self.arrived.set()

    def put(self, *events: str) -> None:
        self.waiting.update(dict.fromkeys(event for event in events if EVENT.match(event)))
        self.arrived.set()

    async def take(self) -> list[str]:
        """What has arrived, after a moment for what belongs to it; empty when the beat is due."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.arrived.wait(), BEAT)
            await asyncio.sleep(GATHER)
        events, self.waiting = list(self.waiting), {}
        self.arrived.clear()
        return events


class Switchboard:
    """The process's one listener and the mailboxes it fills. It lives as long as anybody is connected."""

    def __init__(self) -> None:
        self.mailboxes: set[Mailbox] = set()
        self.listener: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()  # set while PostgreSQL is listened to

    def join(self, mailbox: Mailbox) -> None:
        self.mailboxes.add(mailbox)
        if self.listener is None or self.listener.done():
            self.listener = asyncio.get_running_loop().create_task(self.listen())

    def leave(self, mailbox: Mailbox) -> None:
        self.mailboxes.discard(mailbox)
        if not self.mailboxes and self.listener is not None:
            self.listener.cancel()
            self.listener = None

    def hand_out(self, channel: str, payload: str) -> None:
        """``INC-7 timeline header`` goes to the pages of INC-7, and to all others as ``incidents``."""
        if channel == PEOPLE:
            for mailbox in self.mailboxes:
                if str(mailbox.user) == payload:
                    mailbox.close()
            return
        if channel in {EPOCH, PROPAGATION}:  # what is served, and how far it has got
            for mailbox in self.mailboxes:
                mailbox.put("epoch")
            return
        if channel == RUNS:  # the page of the run, and the room it was asked for in
            number, *rooms = payload.split()
            for mailbox in self.mailboxes:
                if mailbox.scope in {f"run-{number}", *rooms}:
                    mailbox.put("runs")
            return
        ref, *regions = payload.split()
        for mailbox in self.mailboxes:
            mailbox.put("incidents", *(regions if mailbox.scope == ref else ()))

    async def see_out(self, listening: psycopg.AsyncConnection[Any]) -> None:
        """End the streams of people who were signed out while nobody listened."""
        people = list({mailbox.user for mailbox in self.mailboxes if mailbox.user is not None})
        asked = await listening.execute(
            "SELECT id, signed_out_at FROM accounts_user WHERE signed_out_at IS NOT NULL AND id = ANY(%s)", [people]
        )
        ended = dict(await asked.fetchall())
        for mailbox in self.mailboxes:
            if mailbox.user in ended and mailbox.since <= ended[mailbox.user]:
                mailbox.close()

    async def listen(self) -> None:
        """Listen until nobody is left; whatever the database does, try again, and tell everybody to look anew."""
        pause, first = 0.1, True
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**parameters(), autocommit=True) as listening:
                    await listening.execute(f"LISTEN {PEOPLE}")
                    await self.see_out(listening)
                    await listening.execute(f"LISTEN {INCIDENTS}")
                    await listening.execute(f"LISTEN {EPOCH}")
                    await listening.execute(f"LISTEN {PROPAGATION}")
                    await listening.execute(f"LISTEN {RUNS}")
                    if not first:
                        for mailbox in self.mailboxes:
                            mailbox.put("incidents", "epoch", "timeline", "header", "legs", "act", "runs")
                    pause, first = 0.1, False
                    self.ready.set()
                    async for notice in listening.notifies():
                        self.hand_out(notice.channel, notice.payload)
            except (psycopg.Error, OSError) as error:
                logger.warning("The page stream lost the database and tries again: %s", error)
                first = False
                self.ready.clear()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)


_switchboards: WeakKeyDictionary[asyncio.AbstractEventLoop, Switchboard] = WeakKeyDictionary()


def switchboard() -> Switchboard:
    """The running loop's own: a server process has one loop, a test may have several."""
    return _switchboards.setdefault(asyncio.get_running_loop(), Switchboard())


def parameters() -> dict[str, Any]:
    """How Django would connect, for a plain asynchronous connection."""
    known: dict[str, Any] = connection.get_connection_params()
    return {name: value for name, value in known.items() if name not in {"cursor_factory", "context", "pool"}}


@require_GET
def events(request: ActorRequest) -> HttpResponseBase:
    """``/events/?scope=INC-7``: a stream of event names; the page decides what to fetch."""
    if sum(len(board.mailboxes) for board in list(_switchboards.values())) >= settings.STREAM_LIMIT:
        return HttpResponse("Too many open streams; the page polls instead.", status=503, headers={"Retry-After": "30"})
    scope, actor = request.GET.get("scope", "board")[:20], request.actor
    close_old_connections()  # else every open page would keep the pooled connection that read its session
    return StreamingHttpResponse(
        stream(Mailbox(scope, actor.user.pk if actor is not None and actor.user is not None else None)),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def stream(mailbox: Mailbox) -> AsyncGenerator[bytes, None]:
    """The bytes of one page's stream, until it goes away."""
    board = switchboard()
    board.join(mailbox)
    try:
        yield b"retry: 500\n: listening\n\n"
        while not mailbox.over:
            pings = await mailbox.take()
            yield b"".join(f"event: {ping}\ndata: \n\n".encode() for ping in pings) or b": beat\n\n"
    finally:
        board.leave(mailbox)
