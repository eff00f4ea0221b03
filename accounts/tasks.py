"""The clock of this app."""

from __future__ import annotations

from celery import shared_task

from accounts.operations import forgetting

SCHEDULE = {
    "accounts.forget": {"task": "accounts.tasks.forget", "schedule": 3600.0, "options": {"expires": 3600}},
}


@shared_task
def forget() -> None:
    """Drop what nobody can use any longer."""
    forgetting.forget()
