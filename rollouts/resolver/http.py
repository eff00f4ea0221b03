"""The little of HTTP that the resolver speaks: reading a bounded body, answering in one write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import orjson

type Message = MutableMapping[str, Any]
type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
NO_STORE: Header = (b"cache-control", b"no-store")
#: An evaluation context is a handful of attributes; more than this is a mistake or an attack.
BODY_LIMIT = 64 * 1024
BODY_SECONDS = 10


class Answer:
    """A whole response, encoded once and sent any number of times."""

    __slots__ = ("_body", "_start", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Iterable[Header] = (JSON, NO_STORE)) -> None:
        self.status = status
        length = () if status == 304 else ((b"content-length", str(len(body)).encode()),)
        self._start: Message = {"type": "http.response.start", "status": status, "headers": [*headers, *length]}
        self._body: Message = {"type": "http.response.body", "body": body}

    @property
    def body(self) -> bytes:
        content: bytes = self._body["body"]
        return content

    async def send(self, send: Send) -> None:
        await send(self._start)
        await send(self._body)


def json_answer(status: int, value: Any, *headers: Header) -> Answer:
    """``value`` as a JSON response."""
    return Answer(status, orjson.dumps(value), (JSON, NO_STORE, *headers))


class Refused(Exception):
    """This request ends with ``answer``."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class TooLarge(Exception):
    """The body is over the limit."""


class Gone(Exception):
    """The caller left before the request was whole."""


def header(scope: Scope, name: bytes) -> bytes:
    """The value of the header ``name`` (lower case), empty when it is absent."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return b""


async def read_body(receive: Receive, limit: int = BODY_LIMIT) -> bytes:
    """The request's body; raises TooLarge over ``limit`` bytes and Gone when the caller leaves or dawdles."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks = [body]
        size = len(body)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while message.get("more_body") and size <= limit:
                    message = await receive()
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
        except TimeoutError:
            raise Gone from None
        body = b"".join(chunks)
    if message["type"] == "http.disconnect":
        raise Gone
    if len(body) > limit:
        raise TooLarge
    return body
