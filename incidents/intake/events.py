"""``POST /v2/enqueue`` and ``/v2/change/enqueue``: PagerDuty's Events API v2. Its senders need a new address only.

Its key is a member of the body, so a body is read before anybody knows whose it is; what has no known key is not kept.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.conf import settings

from accounts import clock
from accounts.secrets import hint_of
from incidents import reading
from incidents.intake import fields, pagerduty
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
    lane,
    only_post,
    read_body,
    respond,
    waited,
)
from incidents.intake.lane import Away
from incidents.operations.receive import Request

DOORS: dict[str, reading.Parser] = {
    "/v2/enqueue": pagerduty.event,
    "/v2/change/enqueue": pagerduty.change,
}
WORDS = {400: "invalid event", 401: "invalid key", 413: "invalid event", 503: "unavailable"}


class Invalid(Refused):
    """An event that is refused as PagerDuty refuses it."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status, "Event object is invalid" if status == 400 else errors[0])
        self.errors = list(errors)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    try:
        await respond(send, 202, await handle(scope, receive))
    except Refused as refusal:
        errors = refusal.errors if isinstance(refusal, Invalid) else [str(refusal)]
        said = {"status": WORDS.get(refusal.status, "error"), "message": str(refusal), "errors": errors}
        await respond(send, refusal.status, said, *refusal.headers)
    except Away:
        said = {"status": WORDS[503], "message": AWAY, "errors": [AWAY]}
        await respond(send, 503, said, (b"retry-after", RETRY_AFTER))
    except Gone:
        return


async def handle(scope: Scope, receive: Receive) -> dict[str, Any]:
    """The body of the answer 202, after the commit."""
    received_at = clock.now()
    parser = DOORS.get(scope["path"].rstrip("/"))
    if parser is None:
        raise Refused(404, "Post to /v2/enqueue or /v2/change/enqueue.")
    only_post(scope)
    headers = dict(scope["headers"])
    body = await read_body(headers, receive, settings.INTAKE_MAX_BYTES)
    event = await asyncio.to_thread(decoded, body) if len(body) > PARSED_BESIDE else decoded(body)
    secret = fields.text_or_none(event.get("routing_key"))
    if secret is None:
        raise Invalid(400, "'routing_key' is missing or blank")
    key = await find(secret)
    if key is None or key.source != pagerduty.SOURCE:
        raise Invalid(401, "'routing_key' is no key of an integration here")
    read = reading.interpret(parser, pagerduty.SOURCE, event, key.settings)
    kept = without_key(body, event, secret)
    answer = await waited(lane.store(Request(key.id, kept, content_type_of(headers), received_at, read)))
    if read.error:  # kept for a person to look at, and the sender is told
        raise Invalid(400, *read.error.split("; "))
    if answer.status == 401:
        raise Invalid(401, answer.error)
    if read.change is not None:
        return {"status": "success", "message": "Change event processed"}
    return {
        "status": "success",
        "message": "Event processed",
        "dedup_key": fields.text_or_none(event.get("dedup_key")) or read.signals[0].dedup_key,
    }


def decoded(body: bytes) -> dict[str, Any]:
    """The event; Invalid when the body is no object. Nothing is known of the sender yet, so nothing is kept."""
    try:
        event = reading.decode(body)
    except reading.Unreadable as error:
        raise Invalid(400, str(error)) from None
    if not isinstance(event, dict):
        raise Invalid(400, "The event is not an object")
    return event


def without_key(body: bytes, event: dict[str, Any], secret: str) -> bytes:
    """The body as it may be shown to people: with the beginning of its key only."""
    hint = f"{hint_of(secret)}…"
    if secret.encode() in body:
        return body.replace(secret.encode(), hint.encode())
    return json.dumps(event | {"routing_key": hint}, ensure_ascii=False).encode()  # its key was written with escapes
