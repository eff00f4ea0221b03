"""What the doors of intake share: keys, bodies, the lane, and answers in JSON."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from typing import Any

import orjson

from accounts.secrets import digest_of
from incidents.intake.lane import Away, Key, Lane

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
AWAY = "Nothing was stored: the database is away or too much is waiting. Send it again."

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


def forget() -> None:
    """Remember no key any longer."""
    _keys.clear()


async def waited[T](future: Future[T]) -> T:
    """What the lane makes of it; Away when that takes too long."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), ANSWER_WITHIN)
    except TimeoutError:
        raise Away from None


def only_post(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise Refused(405, "Only POST is answered here.", (b"allow", b"POST"))


def content_type_of(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").decode("latin-1").replace("\x00", "")


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body, unpacked, or a refusal as soon as it is known to be larger than ``limit`` bytes."""
    too_large = Refused(413, f"At most {limit} bytes are taken.", (b"connection", b"close"))
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in {b"identity", b"gzip", b"x-gzip", b""}:
        raise Refused(415, "This content encoding is not taken: use gzip or none.", (b"accept-encoding", b"gzip"))
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
            break
    body = b"".join(parts)
    if encoding not in {b"gzip", b"x-gzip"}:
        return body
    unpacked = await asyncio.to_thread(unpack, body, limit)
    if len(unpacked) > limit:
        raise too_large
    return unpacked


def unpack(body: bytes, limit: int) -> bytes:
    """What was packed by gzip, at most one byte more than ``limit`` of it; Refused when it is none, or cut short."""
    try:
        unpacker = zlib.decompressobj(wbits=31)
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise Refused(400, "The body is not what its content encoding says: gzip.") from None
    if len(unpacked) <= limit and not unpacker.eof:
        raise Refused(400, "The body ends before its gzip does.")
    return unpacked


async def respond(send: Send, status: int, content: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    """Send JSON."""
    body = orjson.dumps(content)
    fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body})
