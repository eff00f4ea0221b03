"""The clock of this app: each task calls one operation, is short, and may run twice."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.conf import settings

from incidents.operations import delivery, moves, slack_delivery
from incidents.slack import cards, work

SCHEDULE: dict[str, dict[str, Any]] = {
    "incidents.sweep": {"task": "incidents.tasks.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "incidents.send_due": {"task": "incidents.tasks.send_due", "schedule": 1.0, "options": {"expires": 5}},
}
if settings.SLACK_BOT_TOKEN or settings.SLACK_SIGNING_SECRET:
    SCHEDULE |= {
        "incidents.slack": {"task": "incidents.tasks.slack", "schedule": 1.0, "options": {"expires": 5}},
        "incidents.forget_slack": {"task": "incidents.tasks.forget_slack", "schedule": 3600.0},
    }


@shared_task
def sweep() -> None:
    """Record the machine's moves whose receiver never ran."""
    moves.sweep()


@shared_task
def send_due() -> None:
    """Send the pages and notices that are due."""
    delivery.send_due()


@shared_task
def slack() -> None:
    """Work what Slack sent, then show what it is owed."""
    work.work_due()
    cards.send_due()


@shared_task
def forget_slack() -> None:
    """Drop what Slack sent long ago."""
    slack_delivery.forget()
