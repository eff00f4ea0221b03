"""The change stream: server-sent events that say "fetch again", newest only, to any number of runtimes."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from django.conf import settings

from accounts import clock
from rollouts.resolver import credentials
from rollouts.resolver.feed import Feed
from rollouts.resolver.http import NO_STORE, Header, Message, Receive, Refused, Scope, Send, header, json_answer
from rollouts.resolver.ofrep import not_yet
from rollouts.resolver.state import Grant, State

BEAT_SECONDS = 15.0
BEAT = b": beat\n\n"
RETRY_AFTER = b"5"
GOODBYE_SECONDS = 1.0
HEADERS: list[Header] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    NO_STORE,
    (b"x-accel-buffering", b"no"),
]


class Mailbox:
    """One slot: only the newest event counts, so a slow reader costs nothing but its own delay."""

    __slots__ = ("_content", "_filled", "closed", "grant")

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.closed = False
        self._content = b""
        self._filled = asyncio.Event()

    def put(self, event: bytes) -> None:
        self._content = event
        self._filled.set()

    def beat(self) -> None:
        """A sign of life, unless there is something to say anyway."""
        if not self._content:
            self.put(BEAT)

    def close(self) -> None:
        self.closed = True
        self._filled.set()

    async def take(self) -> bytes:
        """The newest event; empty once closed."""
        await self._filled.wait()
        self._filled.clear()
        content, self._content = self._content, b""
        return b"" if self.closed else content


class Streams:
    """Every open stream of this process."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._open: set[Mailbox] = set()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``GET /api/stream`` with a resolver key, or with the token that a bulk answer handed out."""
        if scope["method"] != "GET":
            raise Refused(json_answer(405, {"errorDetails": "The change stream is a GET."}, (b"allow", b"GET")))
        state = self._feed.state
        if state is None:
            raise Refused(not_yet(self._feed))
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20)
        grant = self._grant(state, scope, query.get("token", [""])[0])
        environment = credentials.environment_of(state, grant)
        if self._stopping or len(self._open) >= settings.STREAM_LIMIT:
            sentence = "This process has as many streams open as it takes: poll, or try again."
            raise Refused(json_answer(503, {"errorDetails": sentence}, (b"retry-after", RETRY_AFTER)))
        since = header(scope, b"last-event-id").decode("latin-1") or query.get("since", [""])[0]
        mailbox = Mailbox(grant)
        mailbox.put(b": open\n\n" if since == environment.etag else environment.event)
        self._open.add(mailbox)
        watcher = asyncio.ensure_future(closed_when_gone(receive, mailbox))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            while event := await mailbox.take():
                await send(part(event, more=True))
            if not watcher.done():
                await send(part(b"", more=False))
        finally:
            self._open.discard(mailbox)
            watcher.cancel()

    def _grant(self, state: State, scope: Scope, token: str) -> Grant:
        now = clock.now()
        if token and (found := state.stream_grant_of(token, now)):
            return found
        return credentials.grant_for(state, credentials.bearer_or_api_key(scope), now)

    def changed(self, before: State | None, after: State) -> None:
        """Tell every stream whose environment moved; end those whose key no longer stands."""
        moved = {
            name: environment.event
            for name, environment in after.environments.items()
            if before is None or (known := before.environments.get(name)) is None or known.etag != environment.etag
        }
        for mailbox in self._open:
            if mailbox.grant.digest not in after.grants:
                mailbox.close()
            elif (event := moved.get(mailbox.grant.environment)) is not None:
                mailbox.put(event)

    async def beat(self) -> None:
        """Until cancelled: signs of life for all, and the end for those whose key has expired."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = clock.now()
            for mailbox in self._open:
                if mailbox.grant.expired(now):
                    mailbox.close()
                else:
                    mailbox.beat()

    def end(self) -> None:
        """End all streams ourselves, and take no more: the server would wait for the clients to leave."""
        self._stopping = True
        for mailbox in self._open:
            mailbox.close()

    async def close(self) -> None:
        """:meth:`end`, and give the goodbyes a moment."""
        self.end()
        deadline = asyncio.get_running_loop().time() + GOODBYE_SECONDS
        while self._open and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)


async def closed_when_gone(receive: Receive, mailbox: Mailbox) -> None:
    """Wait for the reader to leave and free its place at once."""
    while (await receive())["type"] != "http.disconnect":
        pass
    mailbox.close()


def part(event: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": event, "more_body": more}
