"""``manage.py practice``: become the simulated fleet, or start, rest or remove it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from accounts.actors import Actor, Surface
from accounts.errors import OperationRefused
from rollouts.operations import practice
from rollouts.practice.doors import VARIABLE

ACTOR = Actor.automation("manage.py practice", Surface.COMMAND)


class Command(BaseCommand):
    """Without an option it becomes the fleet's process: one that must not carry Django for weeks."""

    help = "Run the simulated fleet, or --start, --rest, --reset (remove its data) or --anew (remove and start)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        for name in ("start", "rest", "reset", "anew"):
            what.add_argument(f"--{name}", dest="what", action="store_const", const=name)

    def handle(self, *args: Any, **options: Any) -> None:
        what = options["what"]
        if what is None:
            self.become_fleet()
            return
        try:
            if what == "rest":
                practice.rest(actor=ACTOR)
            if what == "reset" or (what == "anew" and practice.status() is not None):
                taken = practice.remove(actor=ACTOR)
                self.stdout.write(
                    f"Removed: {', '.join(f'{n} {name}' for name, n in taken.items() if n) or 'nothing'}."
                )
            if what in {"start", "anew"}:
                practice.begin(actor=ACTOR)
        except OperationRefused as refusal:
            raise CommandError(str(refusal)) from None

    def become_fleet(self) -> None:
        path = Path(settings.VAR) / "credentials.json"
        try:
            found = json.loads(path.read_text())
            keys = {
                "base_url": settings.BASE_URL,
                "token": found["practice_token"],
                "ofrep_key": found["ofrep_key"],
                "intake_key": found["intake"]["alertmanager"],
            }
        except (OSError, ValueError, KeyError):
            self.stdout.write(f"Practice is off: {path} does not hold the keys of a first start.")
            return
        practice.begin_if_empty(actor=ACTOR)
        connection.close()
        sys.stdout.flush()
        os.environ[VARIABLE] = json.dumps(keys | {"pace": json.loads(os.environ.get(f"{VARIABLE}_PACE") or "{}")})
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "rollouts.practice"])  # noqa: S606
