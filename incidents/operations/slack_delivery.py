"""Keeping what Slack sent: once, however often it comes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts import clock
from incidents.models import SlackDelivery

#: Slack repeats a request for at most an hour; the rest is for whoever looks into what happened.
KEPT = timedelta(days=7)


def receive(kind: str, key: str, payload: dict[str, Any], *, at: datetime | None = None) -> tuple[SlackDelivery, bool]:
    """Store a request to be worked; True when it is new. One that is known is counted, and nothing else."""
    at = at or clock.now()
    try:
        with transaction.atomic():
            row = SlackDelivery.objects.create(key=key, kind=kind, payload=payload, received_at=at, due_at=at)
            return row, True
    except IntegrityError:
        SlackDelivery.objects.filter(key=key).update(repeats=F("repeats") + 1)
        return SlackDelivery.objects.get(key=key), False


def forget(at: datetime | None = None) -> int:
    """Drop what is a week old; how many."""
    at = at or clock.now()
    return SlackDelivery.objects.filter(received_at__lt=at - KEPT).delete()[0]
