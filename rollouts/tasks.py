"""The clock of this app."""

from __future__ import annotations

from celery import shared_task

from rollouts.telemetry import partitions

SCHEDULE = {
    "rollouts.keep_partitions": {
        "task": "rollouts.tasks.keep_partitions",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}


@shared_task
def keep_partitions() -> None:
    """Make the days ahead, drop those past the retention."""
    partitions.keep_partitions()
