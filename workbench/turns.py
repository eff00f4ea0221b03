"""Readers take turns, so that a press never waits behind a crowd that looks at the same incident.

Every request to Django takes a connection of the pool and its share of one interpreter. During a major incident
everybody opens the room at once; if all were served at once, the one who presses would be served last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

READING = {"GET", "HEAD"}
#: What says how the process is must not wait for what it says it about.
AT_ONCE = {"/healthz", "/readyz", "/metrics"}


class Turns:
    """``application``, with at most half of ``connections`` working on pages and a quarter on reads by API.

    A turn ends when the answer begins: a stream, or a reader on a slow line, keeps nobody waiting.
    """

    def __init__(self, application: Application, connections: int) -> None:
        self.application = application
        self.pages = asyncio.Semaphore(max(1, connections // 2))
        self.api = asyncio.Semaphore(max(1, connections // 4))  # apart: the command line looks before it presses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in READING or scope["path"] in AT_ONCE:
            await self.application(scope, receive, send)
            return
        line = self.api if scope["path"].startswith("/api/") else self.pages
        await line.acquire()
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                line.release()

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                end()
            await send(message)

        try:
            await self.application(scope, receive, answer)
        finally:
            end()
