"""The clock of this app: each task calls one operation, is short, and may run twice."""

from __future__ import annotations

from celery import shared_task

from incidents.operations import delivery, moves

SCHEDULE = {
    "incidents.sweep": {"task": "incidents.tasks.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "incidents.send_due": {"task": "incidents.tasks.send_due", "schedule": 1.0, "options": {"expires": 5}},
}


@shared_task
def sweep() -> None:
    """Record the machine's moves whose receiver never ran."""
    moves.sweep()


@shared_task
def send_due() -> None:
    """Send the pages and notices that are due."""
    delivery.send_due()
