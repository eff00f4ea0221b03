"""Sending what is due: a row is claimed first, sent, then finished, so that whoever dies repeats rather than loses.

Messages leave outside any transaction. A failure is written on its row with the time to try again; after eight
attempts the row is set aside.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.template.loader import render_to_string

from accounts import clock
from accounts.actors import Actor
from accounts.locks import patient
from accounts.models import DueRow
from incidents import links
from incidents.models import Notice, Page, TimelineEntry
from incidents.notifications import registry
from incidents.notifications.base import TransportError
from incidents.operations import acknowledge, paging, timeline

#: Few rows at a time: with a mail server that hangs (10 s each) a batch still ends before its claim does.
BATCH = 5
HOLD = timedelta(seconds=90)
#: One run takes no new batch after this many seconds; the next run of the clock goes on.
RUN_SECONDS = 15
SENDER = Actor.automation("Lastgood")

logger = logging.getLogger(__name__)


def send_due(at: datetime | None = None) -> int:
    """Send every page and notice that is due, pages first; how many rows were dealt with."""
    stop_at = time.monotonic() + RUN_SECONDS
    return _drain(Page, _page, at, stop_at) + _drain(Notice, _notice, at, stop_at)


def _drain(model: type[DueRow], send: Callable[[Any, datetime], None], at: datetime | None, stop_at: float) -> int:
    count = 0
    while time.monotonic() < stop_at:
        now = at or clock.now()
        rows = model.objects.claim(now, limit=BATCH, hold=HOLD)
        if not rows:
            break
        for row in rows:
            try:
                send(row, now)
            except TransportError as error:
                row.fail(str(error), at=now, retry_after=error.retry_after)
            except Exception as error:  # a row that cannot be sent must not keep the others waiting
                logger.exception("%s %s could not be sent", model.__name__, row.pk)
                row.fail(f"{type(error).__name__}: {error}", at=now)
        count += len(rows)
    return count


def _page(page: Page, at: datetime) -> None:
    """Wake one person, unless somebody has the incident by now or it is no longer worth waking for."""
    page = Page.objects.select_related("incident__deployment__bundle", "user").get(pk=page.pk)
    incident, user = page.incident, page.user
    if incident.acknowledged_by_id is not None or not incident.is_open or incident.severity not in paging.PAGED:
        page.delete()  # nobody was woken: a later raise must be able to ask for this page again
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
    registry.send(f"email:{user.email}", f"{incident.severity} {incident.ref}: {_one_line(incident.title)}", body)
    _paged(page, at)


@patient("Its room is held by somebody else.")
def _paged(page: Page, at: datetime) -> None:
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


def _notice(notice: Notice, at: datetime) -> None:
    registry.send(notice.destination, notice.subject, notice.body)
    notice.finish(at=at)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
