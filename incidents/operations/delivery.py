"""Sending what is due: a row is claimed first, sent, then finished, so that whoever dies repeats rather than loses.

Messages leave outside any transaction. Every try is kept as a SendAttempt. A failure is written on its row with the
time to try again; after too many the row is set aside, and the record of its incident says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.template.loader import render_to_string

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from incidents import links
from incidents.models import Destination, Notice, Page, SendAttempt, TimelineEntry
from incidents.notifications import events, registry
from incidents.notifications.base import Message, TransportError, shortened, split
from incidents.operations import acknowledge, destinations, paging, timeline

#: Few rows at a time: with a server that hangs (10 s each) a batch still ends before its claim does.
BATCH = 5
HOLD = timedelta(seconds=90)
#: One run takes no new batch after this many seconds; the next run of the clock goes on.
RUN_SECONDS = 15
#: A page is worthless after ten minutes; a notice is tried for about two hours.
PAGE_TRIES = 8
NOTICE_TRIES = 16
#: However long another server asks us to wait.
LONGEST_WAIT = 3600.0
SENDER = Actor.automation("Lastgood")

logger = logging.getLogger(__name__)


def send_due(at: datetime | None = None) -> int:
    """Send every page and notice that is due, pages first; how many rows were dealt with."""
    stop_at = time.monotonic() + RUN_SECONDS
    return _drain(Page, _page, at, stop_at) + _drain(Notice, _notice, at, stop_at)


def _drain[Row: Page | Notice](
    model: type[Row], send: Callable[[Row, datetime], None], at: datetime | None, stop_at: float
) -> int:
    count = 0
    while time.monotonic() < stop_at:
        now = at or clock.now()
        rows: list[Row] = model._default_manager.claim(now, limit=BATCH, hold=HOLD)
        if not rows:
            break
        away: dict[str, datetime] = {}
        begun = time.monotonic()
        for row in rows:
            if time.monotonic() - begun > HOLD.total_seconds():
                break  # the claim has ended; what is left is somebody else's
            where = row.destination if isinstance(row, Notice) else ""
            if where in away:
                row.postpone(away[where])
            else:
                _try(row, send, now)
                if where and row.done_at is None and row.given_up_at is None:
                    away[where] = row.due_at
        for where, until in away.items():
            _hold_back(where, until)
        count += len(rows)
    return count


def _try[Row: Page | Notice](row: Row, send: Callable[[Row, datetime], None], now: datetime) -> None:
    begun = time.monotonic()
    try:
        send(row, now)
    except TransportError as error:
        _failed(row, str(error), now, begun, retry_after=min(error.retry_after or 0, LONGEST_WAIT))
    except Exception as error:  # a row that cannot be sent must not keep the others waiting
        logger.exception("%s %s could not be sent", type(row).__name__, row.pk)
        _failed(row, f"{type(error).__name__}: {error}", now, begun)


def _hold_back(destination: str, until: datetime) -> None:
    """Whatever else is due there waits for the next try: a server that hangs costs one try, not one per notice."""
    waiting = Notice.objects.filter(
        destination=destination, done_at=None, given_up_at=None, claimed_until=None, due_at__lt=until
    )
    waiting.update(due_at=until)


def _log(row: Page | Notice, ok: bool, answer: str, at: datetime, begun: float) -> None:
    SendAttempt.objects.create(
        notice=row if isinstance(row, Notice) else None,
        page=row if isinstance(row, Page) else None,
        at=at,
        ok=ok,
        took_ms=(time.monotonic() - begun) * 1000,
        answer=shortened(answer, 500),
    )


# -- pages -----------------------------------------------------------------------------------------------------------
def _page(page: Page, at: datetime) -> None:
    """Wake one person, unless somebody has the incident by now or it is no longer worth waking for."""
    page = Page.objects.select_related("incident__deployment__bundle", "user").get(pk=page.pk)
    incident, user = page.incident, page.user
    if incident.acknowledged_by_id is not None or not incident.is_open or incident.severity not in paging.PAGED:
        page.delete()  # nobody was woken: a later raise must be able to ask for this page again
        return
    if not user.is_active:  # kept out since: their link would be dead, so wake whoever is on call instead
        with transaction.atomic():
            page.delete()
            paging.page(incident, actor=SENDER, reason=page.reason, at=at, round=page.round)
        return
    secret = acknowledge.make_link(incident, user, at=at)
    body = render_to_string(
        "notifications/page.txt",
        {
            "incident": incident,
            "user": user,
            "room": links.room(incident.ref),
            "acknowledge": links.acknowledge(secret),
            "minutes": int(acknowledge.LINK_VALID.total_seconds() // 60),
        },
    )
    subject = f"{incident.severity} {incident.ref}: {events.one_line(incident.title, 200)}"
    begun = time.monotonic()
    answer = registry.send("email", Message(user.email, subject, body, message_id(page)))
    _paged(page, at, answer, begun)


@patient("Its room is held by somebody else.")
def _paged(page: Page, at: datetime, answer: str, begun: float) -> None:
    """Record that the message left. While the room is held the page stays due: woken twice rather than never."""
    timeline.append(
        timeline.lock(page.incident),
        TimelineEntry.Kind.PAGE,
        f"Paged {page.user} by e-mail",
        actor=SENDER,
        at=at,
        data={"page": page.pk, "user": page.user_id},
        is_key=False,
        source=f"page:{page.pk}",
    )
    page.finish(at=at)
    _log(page, True, answer, at, begun)


# -- notices ---------------------------------------------------------------------------------------------------------
def _notice(notice: Notice, at: datetime) -> None:
    """Send one notice as it was written at its first try; a repeat says the same."""
    kind, address = split(notice.destination)
    begun = time.monotonic()
    if kind != "destination":
        answer = registry.send(kind, Message(address, notice.subject, notice.body, message_id(notice)))
    else:
        destination = Destination.objects.filter(pk=address).first()
        if destination is None or destination.disabled_at is not None:
            notice.given_up_at, notice.claimed_until, notice.error = at, None, "The destination was disabled."
            notice.save(update_fields=["given_up_at", "claimed_until", "error"])
            return
        if not notice.body:
            _write(notice, destination)
        answer = destinations.send(destination, notice.subject, notice.body, message_id(notice))
    notice.finish(at=at)
    _log(notice, True, answer, at, begun)


def _write(notice: Notice, destination: Destination) -> None:
    entry = TimelineEntry.objects.select_related("incident__deployment__bundle", "incident__deployment__environment")
    words = events.written(destination.kind, entry.get(pk=notice.entry_id), message_id(notice))
    notice.subject, notice.body = words
    notice.save(update_fields=["subject", "body"])


def message_id(row: Page | Notice) -> str:
    """The same however often ``row`` is sent, and never another row's, also of a database that was made anew."""
    return f"{type(row).__name__.lower()}-{row.pk}-{int(row.created_at.timestamp())}"


# -- failing ---------------------------------------------------------------------------------------------------------
def _failed(row: Page | Notice, error: str, at: datetime, begun: float, retry_after: float = 0) -> None:
    """Log the try; set the row aside after its last one, which the record of the incident then says."""
    tries = PAGE_TRIES if isinstance(row, Page) else NOTICE_TRIES
    _log(row, False, error, at, begun)
    if row.attempts < tries:
        row.fail(error, at=at, give_up_after=tries, retry_after=retry_after)
        return
    try:
        _set_aside(row, error, at, tries)
    except OperationRefused as held:  # tried once more when the claim has ended
        logger.warning("%s is not set aside yet: %s", row, held)


@patient("Its room is held by somebody else.")
def _set_aside(row: Page | Notice, error: str, at: datetime, tries: int) -> None:
    incident = row.incident if isinstance(row, Page) else row.entry.incident
    about = f"{type(row).__name__.lower()}"
    what = f"Page to {row.user}" if isinstance(row, Page) else f"Notice to {called(row.destination)}"
    row.fail(error, at=at, give_up_after=tries)
    timeline.append(
        timeline.lock(incident),
        TimelineEntry.Kind.NOTICE,
        f"{what} could not be sent: {shortened(error, 160)} It was tried {tries} times; retry it in Settings.",
        actor=SENDER,
        at=at,
        data={about: row.pk},
    )


def called(destination: str) -> str:
    """A destination as people know it."""
    kind, address = split(destination)
    found = Destination.objects.filter(pk=address).first() if kind == "destination" else None
    return str(found) if found is not None else address
