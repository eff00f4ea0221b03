"""The clock's own sign of life."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import beat_init

from accounts import clock
from workbench.models import Tick

SCHEDULE = {"workbench.tick": {"task": "workbench.tasks.tick", "schedule": 10.0, "options": {"expires": 30}}}


@shared_task
def tick() -> None:
    """Note that clock, broker and worker are alive together; `/readyz` looks for it."""
    Tick.objects.update_or_create(pk=1, defaults={"at": clock.now()})


@beat_init.connect
def tick_at_once(**kwargs: Any) -> None:
    """A clock that has just started is not late: it need not wait for its first turn to say so."""
    tick.delay()
