"""Telling a worker that something waits to be sent. Only a hint: the clock finds what no hint told of."""

from __future__ import annotations

import logging
import threading

from celery import current_app
from django.db import transaction

TASK = "incidents.tasks.send_due"
logger = logging.getLogger(__name__)
_under_way = threading.Lock()


def send_soon() -> None:
    """After commit, ask a worker to send what is due. Never waits for the broker, which may be away."""
    transaction.on_commit(_start, robust=True)


def _start() -> None:
    # One hint at a time is enough: the task sends everything that is due, not one row.
    if _under_way.acquire(blocking=False):
        threading.Thread(target=_hint, name="send-hint", daemon=True).start()


def _hint() -> None:
    try:
        current_app.send_task(TASK, retry=False, expires=30)
    except Exception as error:  # whatever a broker that is away raises: the clock sends within its next tick
        logger.warning("no hint sent, the clock will find it: %s", error)
    finally:
        _under_way.release()
