"""What nobody can use any longer is not kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session

from accounts import clock
from accounts.models import IdempotencyKey

#: A request is sent again within minutes, a job that is run again within a day.
ANSWERS_KEPT = timedelta(days=1)


def forget(at: datetime | None = None) -> int:
    """Drop answers kept for repeated requests and browser sessions that are over; how many rows went."""
    at = at or clock.now()
    answers, _ = IdempotencyKey.objects.filter(created_at__lt=at - ANSWERS_KEPT).delete()
    sessions, _ = Session.objects.filter(expire_date__lt=at).delete()
    return answers + sessions
