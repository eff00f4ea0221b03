"""The clock of this app."""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.db import close_old_connections

from rollouts.operations import eval_work, leg_work
from rollouts.telemetry import drift, partitions, stop_watch

SCHEDULE = {
    "rollouts.keep_partitions": {
        "task": "rollouts.tasks.keep_partitions",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "rollouts.watch_stops": {"task": "rollouts.tasks.watch_stops", "schedule": 5.0, "options": {"expires": 5}},
    "rollouts.run_evals": {"task": "rollouts.tasks.run_evals", "schedule": 1.0, "options": {"expires": 5}},
    "rollouts.look_for_drift": {"task": "rollouts.tasks.look_for_drift", "schedule": 15.0, "options": {"expires": 15}},
    "rollouts.work_legs": {"task": "rollouts.tasks.work_legs", "schedule": 1.0, "options": {"expires": 5}},
}

logger = logging.getLogger(__name__)
#: One eval at a time per worker process, beside the threads that send pages and notices.
_busy = threading.Lock()
_stopping = threading.Event()
#: The same for legs: a connector that hangs keeps no page and no notice waiting.
_walking = threading.Lock()


@shared_task
def keep_partitions() -> None:
    """Make the days ahead, drop those past the retention."""
    partitions.keep_partitions()


@shared_task
def look_for_drift() -> None:
    """Hold what telemetry and instances tell against the pointers, each deployment once a minute."""
    drift.sweep()


@shared_task
def watch_stops() -> None:
    """See whether anything acts although it was stopped."""
    stop_watch.watch()


@shared_task
def run_evals() -> None:
    """See whether an eval run waits, and run it in a thread of its own: it takes as long as its command does."""
    if not _stopping.is_set() and _busy.acquire(blocking=False):
        threading.Thread(target=_run_evals, name="evals").start()


def _run_evals() -> None:
    try:
        while not _stopping.is_set() and eval_work.execute_due(stop=_stopping) is not None:
            pass
    except Exception:  # whatever went wrong, the row is due again when its hold is over
        logger.exception("an eval run could not be worked at")
    finally:
        close_old_connections()
        _busy.release()


@shared_task
def work_legs() -> None:
    """Look at what rollbacks left behind and do what is due, in a thread of its own: others answer when they like."""
    if not _stopping.is_set() and _walking.acquire(blocking=False):
        threading.Thread(target=_work_legs, name="legs").start()


def _work_legs() -> None:
    try:
        leg_work.work_due()
    except Exception:  # whatever went wrong, the rows are due again when their hold is over
        logger.exception("legs could not be worked at")
    finally:
        close_old_connections()
        _walking.release()


@worker_shutting_down.connect
def stop_evals(**kwargs: Any) -> None:
    """The worker has been told to stop: its eval command ends now, and the next worker goes on with the run."""
    _stopping.set()
