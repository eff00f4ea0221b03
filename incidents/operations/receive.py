"""What monitors send becomes receipts, alerts, incidents, entries and pages: all of a request, or none of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from incidents.models import Integration, Receipt
from incidents.operations import alert_rows, changes
from incidents.operations.alert_batch import Batch
from incidents.reading import Reading

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One authenticated request and what was read in it."""

    integration_id: int
    body: bytes
    content_type: str
    received_at: datetime
    reading: Reading
    receipt: int | None = None  # stored already: a replay


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told (CONTRACT §4)."""

    status: int
    receipt: int | None = None
    alerts: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The body of the answer."""
        if self.status == 200:
            return {"receipt": self.receipt, "alerts": self.alerts}
        if self.status == 202:
            return {"receipt": self.receipt, "status": "quarantined", "error": self.error}
        return {"error": self.error}


REVOKED = Answer(401, error="This key has been revoked. Ask an admin for a new one.")


def receive(requests: Sequence[Request]) -> list[Answer]:
    """Store and process requests in one transaction, changes in one of their own; answers may be sent when it returns.

    A request that the rest of the code or the database cannot take is quarantined, its neighbours are not. Raises
    OperationalError or InterfaceError when the database is away: nothing is stored then.
    """
    alerts = [request for request in requests if request.reading.change is None]
    others = [request for request in requests if request.reading.change is not None]
    answers = {id(request): answer for part in (alerts, others) for request, answer in _received(part)}
    return [answers[id(request)] for request in requests]


def _received(requests: Sequence[Request]) -> Iterator[tuple[Request, Answer]]:
    if not requests:
        return
    try:
        answers = _together(requests)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # whichever member it was: each gets a transaction of its own
        answers = [_alone(request) for request in requests]
    yield from zip(requests, answers, strict=True)


def _alone(request: Request) -> Answer:
    try:
        return _together([request])[0]
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # the alert must not be lost with the surprise: a person can replay its receipt
        logger.exception("A request could not be processed and is quarantined")
        return quarantine(request, f"This could not be processed ({type(error).__name__}: {str(error)[:500]}).")


@transaction.atomic
def quarantine(request: Request, error: str) -> Answer:
    """Keep a request's bytes for a person to look at."""
    error = error.replace("\x00", "\ufffd")
    status = Receipt.Status.QUARANTINED.value
    content_type = request.content_type[:100]
    row = alert_rows.ReceiptRow(request.integration_id, request.received_at, request.body, content_type, status, error)
    (receipt,) = alert_rows.insert_receipts([row])
    return Answer(202, receipt, error=error)


@transaction.atomic
def _together(requests: Sequence[Request]) -> list[Answer]:
    integrations = Integration.objects.in_bulk({request.integration_id for request in requests})
    usable = [
        request
        for request in requests
        if (found := integrations.get(request.integration_id)) is not None and found.revoked_at is None
    ]
    answers = dict(zip(map(id, usable), process(usable, integrations), strict=True))
    return [answers.get(id(request), REVOKED) for request in requests]


def process(requests: Sequence[Request], integrations: dict[int, Integration]) -> list[Answer]:
    """The answers of requests whose integrations may send, in the caller's transaction: all alerts, or all changes."""
    if not requests:
        return []
    if requests[0].reading.change is not None:
        return [Answer(200, receipt) for receipt in changes.record(requests, integrations)]
    receipts, outcomes = Batch(requests, integrations).run()
    return [
        Answer(202, receipt, error=request.reading.error)
        if request.reading.error
        else Answer(200, receipt, [said.as_json() for said in outcome])
        for request, receipt, outcome in zip(requests, receipts, outcomes, strict=True)
    ]
