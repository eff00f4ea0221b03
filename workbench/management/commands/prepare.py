"""``manage.py prepare``: everything a database needs before the processes start; may run at any time, any number."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from workbench.broker import conninfo, ensure_schema
from workbench.first_start import ensure_first_start

PREPARE_LOCK = 7_311_005  # an advisory lock: several machines may start at once


class Command(BaseCommand):
    help = "Install the queue's schema, migrate, and on an empty database make the first account and keys."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print {'sign_in': link or null} for the supervisor.")

    def handle(self, *args: Any, **options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARE_LOCK])
            if not settings.CELERY_BROKER_URL:
                ensure_schema(conninfo(settings.DATABASES["default"]))
            call_command("migrate", interactive=False, verbosity=0)
            sign_in = ensure_first_start()
        if options["json"]:
            self.stdout.write(json.dumps({"sign_in": sign_in}))
        elif sign_in:
            self.stdout.write(f"Sign in, once: {sign_in}")
