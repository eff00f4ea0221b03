"""The floor under Slack's doors: the same server, the same body and signature checked, nothing kept."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from slack_sdk.signature import SignatureVerifier

VERIFIER = SignatureVerifier(os.environ.get("SLACK_SIGNING_SECRET") or "only-for-benchmarks")


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    signed = scope["method"] == "GET" or VERIFIER.is_valid_request(body, headers)
    start = {"type": "http.response.start", "status": 200 if signed else 401, "headers": [(b"content-length", b"0")]}
    await send(start)
    await send({"type": "http.response.body", "body": b""})
