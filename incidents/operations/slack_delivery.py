"""Keeping what Slack sent: once, however often it comes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import connection

from accounts import clock
from incidents.models import SlackDelivery

#: Slack repeats a request for at most an hour; the rest is for whoever looks into what happened.
KEPT = timedelta(days=7)


class Request(Protocol):
    """What is stored of one request."""

    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def payload(self) -> dict[str, Any]: ...


def receive(requests: Sequence[Request], *, at: datetime | None = None) -> list[int | None]:
    """Store requests to be worked, in this order, with one statement: the row's key of each that is new.

    One that is known, or stands twice among these, is counted, and nothing else: None.
    """
    at = at or clock.now()
    once = {request.key: request for request in requests}  # a statement may meet a row only once
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incidents_slackdelivery AS known"
            " (key, kind, payload, received_at, due_at, attempts, repeats, outcome, error)"
            " SELECT key, kind, payload, %s, %s, 0, repeats, '', ''"
            " FROM unnest(%s::text[], %s::text[], %s::jsonb[], %s::int[]) WITH ORDINALITY"
            " AS sent (key, kind, payload, repeats, place) ORDER BY place"
            " ON CONFLICT (key) DO UPDATE SET repeats = known.repeats + 1 + EXCLUDED.repeats"
            " RETURNING key, CASE WHEN xmax = 0 THEN id END",
            [
                at,
                at,
                list(once),
                [request.kind for request in once.values()],
                [json.dumps(request.payload) for request in once.values()],
                [sum(request.key == key for request in requests) - 1 for key in once],
            ],
        )
        fresh: dict[str, int | None] = dict(cursor.fetchall())
    return [fresh.pop(request.key, None) for request in requests]


def forget(at: datetime | None = None) -> int:
    """Drop what is a week old; how many."""
    at = at or clock.now()
    return SlackDelivery.objects.filter(received_at__lt=at - KEPT).delete()[0]
