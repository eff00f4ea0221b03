"""Slack's three doors as a raw ASGI application: verify, store, answer; the work comes after.

A dialog has to be opened within three seconds of the press, so what opens one is worked by this process at once;
everything else is a worker's. Either claims the row first, so that nothing is done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection

from accounts.middleware import AWAY
from incidents.intake.door import Gone, Refused, read_body, respond
from incidents.models import SlackDelivery
from incidents.notifications import hint
from incidents.operations import slack_delivery
from incidents.slack import asking, envelope, signature, work
from incidents.slack.envelope import Envelope, Unreadable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATHS = {
    "/slack/commands": SlackDelivery.Kind.COMMAND,
    "/slack/interactions": SlackDelivery.Kind.INTERACTION,
    "/slack/events": SlackDelivery.Kind.EVENT,
}
MAX_BYTES = 1024 * 1024
#: Slack gives up after three seconds, and comes again with what it did not get rid of.
STORE_WITHIN = 2.5
logger = logging.getLogger(__name__)
_waiting: deque[tuple[Envelope, Future[None]]] = deque()
_storing: ThreadPoolExecutor | None = None
_dialogs: ThreadPoolExecutor | None = None


class Away(Exception):
    """The database did not take it in time."""


async def startup() -> None:
    """Begin to store."""
    open_threads()


async def shutdown() -> None:
    """Finish what has begun."""
    await asyncio.to_thread(close_threads)


def open_threads() -> None:
    """A thread that waits for the database, apart from those that wait for Slack. A second call does nothing."""
    global _storing, _dialogs
    _storing = _storing or ThreadPoolExecutor(1, "slack-store")
    _dialogs = _dialogs or ThreadPoolExecutor(2, "slack-dialog")


def close_threads() -> None:
    global _storing, _dialogs
    pools, _storing, _dialogs = (_storing, _dialogs), None, None
    for pool in pools:
        if pool is not None:
            pool.shutdown()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """One request."""
    open_threads()  # for servers that speak no lifespan
    try:
        answer = await handle(scope, receive)
        if answer is None:  # an empty body: a command shows nothing, a dialog closes
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await respond(send, 200, answer)
    except Refused as refusal:
        await respond(send, refusal.status, {"error": str(refusal)}, *refusal.headers)
    except Away:
        await respond(send, 503, {"error": "Nothing was stored. Send it again."}, (b"retry-after", b"2"))
    except Gone:
        return


async def handle(scope: Scope, receive: Receive) -> dict[str, Any] | None:
    """What to answer, once the request is stored; None for nothing."""
    kind = PATHS.get(scope["path"].rstrip("/"))
    if kind is None:
        raise Refused(404, f"Slack posts to one of {', '.join(PATHS)}.")
    if scope["method"] != "POST":
        raise Refused(405, "Only POST is answered here.", (b"allow", b"POST"))
    if not settings.SLACK_SIGNING_SECRET:
        raise Refused(404, "Slack is not connected.")
    headers = dict(scope["headers"])
    body = await read_body(headers, receive, MAX_BYTES)
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    try:
        said = opened(kind, named, body)
    except signature.Forged:
        raise Refused(401, "This is not signed by Slack, or not fresh.") from None
    except Unreadable as error:
        raise Refused(400, str(error)) from None
    if isinstance(said, Envelope):
        await stored(said)
        return None
    return said


def opened(kind: str, headers: Mapping[str, str], body: bytes) -> Envelope | dict[str, Any] | None:
    """What is to be kept of a request; an answer, where Slack only asks whether we are there; None where nothing is.

    Raises Forged and Unreadable.
    """
    signature.check(body, headers)
    said = envelope.of_json(body) if kind == SlackDelivery.Kind.EVENT else envelope.of_form(kind, body)
    if said.get("type") == "url_verification":
        return {"challenge": str(said.get("challenge", ""))[:1000]}
    sealed = None if said.get("ssl_check") else envelope.sealed(kind, said)
    if sealed is not None and not asking.readable(sealed.kind, sealed.payload):
        raise Unreadable("This lacks what a request of Slack's has.")
    return sealed


async def stored(sealed: Envelope) -> None:
    """Once this returns, the request is kept; what opens a dialog is on its way."""
    if _storing is None:
        raise Away
    kept: Future[None] = Future()
    _waiting.append((sealed, kept))
    _storing.submit(store_waiting)
    try:
        await asyncio.wait_for(asyncio.wrap_future(kept), STORE_WITHIN)
    except (TimeoutError, DatabaseError) as error:
        logger.warning("a request of Slack's was not stored: %s", error)
        raise Away from None


def store_waiting() -> None:
    """Store all that waits with one commit: during an incident everybody types at once."""
    jobs = []
    with contextlib.suppress(IndexError):
        while True:
            jobs.append(_waiting.popleft())
    jobs = [(sealed, kept) for sealed, kept in jobs if kept.set_running_or_notify_cancel()]
    if not jobs:
        return
    try:
        keep([sealed for sealed, _ in jobs])
    except AWAY as error:
        for _, kept in jobs:
            kept.set_exception(error)
    except Exception:  # one of them is at fault: each learns its own fate
        for sealed, kept in jobs:
            try:
                keep([sealed])
            except Exception as error:
                kept.set_exception(error)
            else:
                kept.set_result(None)
    else:
        for _, kept in jobs:
            kept.set_result(None)


def keep(requests: Sequence[Envelope]) -> None:
    """Store requests and tell a worker; what opens a dialog is worked by this process now, whoever is first."""
    try:
        fresh = slack_delivery.receive(requests)
        if any(fresh):
            hint.slack_soon()
    finally:
        connection.close()  # these threads keep none: it goes back to the pool
    for sealed, pk in zip(requests, fresh, strict=True):
        if pk is not None and work.opens_dialog(sealed.kind, sealed.payload) and _dialogs is not None:
            _dialogs.submit(hurry, pk)


def hurry(pk: int) -> None:
    """Work one row now. Should this process end, the clock finds it."""
    try:
        work.work_one(pk)
    except Exception:  # a thread of a pool has nobody above it to tell
        logger.exception("delivery %s was not worked at once", pk)
    finally:
        connection.close()
