"""The clock's own sign of life."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import beat_init
from django.db import connection

from accounts import clock
from workbench.models import Tick

SCHEDULE = {"workbench.tick": {"task": "workbench.tasks.tick", "schedule": 10.0, "options": {"expires": 30}}}


@shared_task
def tick() -> None:
    """Note that clock, broker and worker are alive together; `/readyz` looks for it."""
    Tick.objects.update_or_create(pk=1, defaults={"at": clock.now()})


@beat_init.connect
def begin(sender: Any, **kwargs: Any) -> None:
    """A clock that has just started is not late: it need not wait for its first turn to say so.

    Sent through the clock's own connection: another would open a second pool that stays.
    """
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL only. Celery looked over the models; from here on the clock only sends
    sender.scheduler.apply_entry(sender.scheduler.schedule["workbench.tick"], producer=sender.scheduler.producer)
