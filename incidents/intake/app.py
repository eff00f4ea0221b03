"""Monitors' own port of call as a raw ASGI application: read, store, and only then answer (docs/alerts.md)."""

from __future__ import annotations

import asyncio

from django.conf import settings

from accounts import clock
from incidents import intake, reading
from incidents.intake import events
from incidents.intake.door import (
    AWAY,
    PARSED_BESIDE,
    RETRY_AFTER,
    Gone,
    Receive,
    Refused,
    Scope,
    Send,
    content_type_of,
    find,
    forget,
    lane,
    only_post,
    read_body,
    respond,
    waited,
)
from incidents.intake.lane import Away
from incidents.operations.receive import Answer, Request


async def startup() -> None:
    """Begin to store."""
    intake.register()
    lane.start()


async def shutdown() -> None:
    """Store what has been taken, then end."""
    await asyncio.to_thread(lane.stop)
    forget()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One request, of a monitor or in PagerDuty's form."""
    lane.start()  # for servers that speak no lifespan
    if scope["path"].startswith("/v2/"):
        await events.application(scope, receive, send)
        return
    try:
        answer = await handle(scope, receive)
        await respond(send, answer.status, answer.as_json())
    except Refused as refusal:
        await respond(send, refusal.status, {"error": str(refusal)}, *refusal.headers)
    except Away:
        await respond(send, 503, {"error": AWAY}, (b"retry-after", RETRY_AFTER))
    except Gone:
        return


async def handle(scope: Scope, receive: Receive) -> Answer:
    """The answer to one request at ``/intake/<source>/<key>``, after its commit."""
    received_at = clock.now()
    _, _, source, *rest = scope["path"].split("/")
    if len(rest) != 1 or not rest[0]:
        raise Refused(404, "Post to /intake/<source>/<key>.")
    only_post(scope)
    headers = dict(scope["headers"])
    key = await find(rest[0])
    if key is None or key.source != source:
        raise Refused(401, f"This is no key for {source[:40]}." if source in reading.PARSERS else "No such source.")
    body = await read_body(headers, receive, settings.INTAKE_MAX_BYTES)
    if len(body) > PARSED_BESIDE:
        read = await asyncio.to_thread(reading.read, source, body, key.settings)
    else:
        read = reading.read(source, body, key.settings)
    return await waited(lane.store(Request(key.id, body, content_type_of(headers), received_at, read)))
