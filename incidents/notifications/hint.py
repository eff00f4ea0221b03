"""Telling a worker that something waits to be done. Only a hint: the clock finds what no hint told of."""

from __future__ import annotations

import logging
import threading
from functools import partial

from celery import current_app
from django.db import transaction

SEND = "incidents.tasks.send_due"
SLACK = "incidents.tasks.slack"
logger = logging.getLogger(__name__)
_under_way = {SEND: threading.Lock(), SLACK: threading.Lock()}


def send_soon() -> None:
    """After commit, ask a worker to send what is due. Never waits for the broker, which may be away."""
    transaction.on_commit(partial(_start, SEND), robust=True)


def slack_soon() -> None:
    """After commit, ask a worker to see to what Slack sent and is owed."""
    transaction.on_commit(partial(_start, SLACK), robust=True)


def _start(task: str) -> None:
    # One hint at a time is enough: the task does everything that is due, not one row.
    if _under_way[task].acquire(blocking=False):
        threading.Thread(target=_hint, args=[task], name="hint", daemon=True).start()


def _hint(task: str) -> None:
    try:
        current_app.send_task(task, retry=False, expires=30)
    except Exception as error:  # whatever a broker that is away raises: the clock comes within its next tick
        logger.warning("no hint sent, the clock will find it: %s", error)
    finally:
        _under_way[task].release()
