"""``manage.py slack_socket``: Slack by Socket Mode, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from incidents.slack import socket_mode


class Command(BaseCommand):
    """One process more, started by the supervisor where ``SLACK_APP_TOKEN`` is set."""

    help = "Listen to Slack by Socket Mode, for an installation that Slack cannot reach."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.SLACK_APP_TOKEN:
            raise CommandError("Set SLACK_APP_TOKEN (xapp-…) to listen by Socket Mode; see docs/slack.md.")
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        socket_mode.run(stop)
