"""The one way to ask what time it is, so that tests can move application and database together."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The present moment, in UTC."""
    return timezone.now()
