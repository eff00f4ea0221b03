"""``POST /intake/<source>/<key>`` as a raw ASGI application: read, store, and only then answer (CONTRACT §4)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from typing import Any

import orjson
from django.conf import settings

from accounts import clock
from accounts.secrets import digest_of
from incidents import intake, reading
from incidents.intake.lane import Away, Key, Lane
from incidents.operations.receive import Answer, Request

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: Seconds that a key, found or not, is remembered; a revoked one is refused at once when its request is stored.
REMEMBERED = 5.0
KEYS_REMEMBERED = 1000
ANSWER_WITHIN = 10.0
RETRY_AFTER = b"2"
#: Bodies larger than this are parsed beside the event loop, which others share.
PARSED_BESIDE = 128 * 1024

lane = Lane()
_keys: dict[str, tuple[float, Key | None]] = {}


class Refused(Exception):
    """An answer that is no success, with its sentence."""

    def __init__(self, status: int, error: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(error)
        self.status = status
        self.headers = headers


class Gone(Exception):
    """The sender went away before it had sent everything."""


async def startup() -> None:
    """Begin to store."""
    intake.register()
    lane.start()


async def shutdown() -> None:
    """Store what has been taken, then end."""
    await asyncio.to_thread(lane.stop)
    _keys.clear()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    lane.start()  # for servers that speak no lifespan
    try:
        answer = await handle(scope, receive)
        await respond(send, answer.status, answer.as_json())
    except Refused as refusal:
        await respond(send, refusal.status, {"error": str(refusal)}, *refusal.headers)
    except Away:
        await respond(
            send,
            503,
            {"error": "Nothing was stored: the database is away or too much is waiting. Send it again."},
            (b"retry-after", RETRY_AFTER),
        )
    except Gone:
        return


async def handle(scope: Scope, receive: Receive) -> Answer:
    """The answer to one request, after its commit."""
    received_at = clock.now()
    _, _, source, *rest = scope["path"].split("/")
    if len(rest) != 1 or not rest[0]:
        raise Refused(404, "Post to /intake/<source>/<key>.")
    if scope["method"] != "POST":
        raise Refused(405, "Only POST is answered here.", (b"allow", b"POST"))
    headers = dict(scope["headers"])
    key = await find(rest[0])
    if key is None or key.source != source:
        raise Refused(401, f"This is no key for {source[:40]}." if source in reading.PARSERS else "No such source.")
    body = await read_body(headers, receive, settings.INTAKE_MAX_BYTES)
    if len(body) > PARSED_BESIDE:
        read = await asyncio.to_thread(reading.read, source, body, key.settings)
    else:
        read = reading.read(source, body, key.settings)
    content_type = headers.get(b"content-type", b"").decode("latin-1").replace("\x00", "")
    return await waited(lane.store(Request(key.id, body, content_type, received_at, read)))


async def find(secret: str) -> Key | None:
    """The integration of a key, from memory for a few seconds."""
    digest = digest_of(secret)
    known = _keys.get(digest)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    key = await waited(lane.find(digest))
    while len(_keys) >= KEYS_REMEMBERED:
        _keys.pop(next(iter(_keys)))
    _keys[digest] = (time.monotonic() + REMEMBERED, key)
    return key


async def waited[T](future: Future[T]) -> T:
    """What the lane makes of it; Away when that takes too long."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), ANSWER_WITHIN)
    except TimeoutError:
        raise Away from None


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body, or a refusal as soon as it is known to be larger than ``limit`` bytes."""
    too_large = Refused(413, f"At most {limit} bytes are taken.", (b"connection", b"close"))
    with contextlib.suppress(ValueError):
        if int(headers.get(b"content-length", b"0")) > limit:
            raise too_large
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def respond(send: Send, status: int, content: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    """Send JSON."""
    body = orjson.dumps(content)
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
