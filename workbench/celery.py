"""The Celery application: prompt hints for work whose memory is rows, and the clock that sweeps what hints lost.

Tasks take ids, are short, and may run twice. An app adds clock work by a dict ``SCHEDULE`` in its ``tasks`` module::

    SCHEDULE = {"incidents.escalate": {"task": "incidents.tasks.escalate_due", "schedule": 2.0}}
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")

from celery import Celery
from django.conf import settings

from workbench.broker import conninfo, transport_options

APPS = ["accounts", "rollouts", "incidents", "workbench"]


def scheduled() -> dict[str, Any]:
    """Every app's ``SCHEDULE``, together."""
    found: dict[str, Any] = {}
    for app_name in APPS:
        if importlib.util.find_spec(f"{app_name}.tasks") is not None:
            found |= getattr(importlib.import_module(f"{app_name}.tasks"), "SCHEDULE", {})
    return found


warnings.filterwarnings("ignore", message=".*superuser privileges")  # root is warned of pickle, which we refuse
app = Celery("lastgood")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL or "pgmq://database/",  # conn_string below says which
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_publish_retry=False,  # the clock picks up what was not sent
    task_default_queue="lastgood",
    task_time_limit=None,  # threads cannot be interrupted: tasks bound themselves
    worker_prefetch_multiplier=8,
    worker_enable_remote_control=False,  # it would leave a queue behind per worker name
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    timezone="UTC",
)
if not settings.CELERY_BROKER_URL:
    app.conf.broker_transport_options = transport_options(conninfo(settings.DATABASES["default"]))
app.autodiscover_tasks(APPS)


@app.on_after_finalize.connect
def add_schedule(sender: Celery, **kwargs: Any) -> None:
    sender.conf.beat_schedule = scheduled()
