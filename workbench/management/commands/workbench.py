"""``manage.py workbench``: everything of one installation, under one supervisor, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Becomes the supervisor: that process must not carry Django for weeks."""

    help = "Run database, server, worker, clock and practice fleet; Ctrl-C stops them."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "workbench.supervisor"])  # noqa: S606
