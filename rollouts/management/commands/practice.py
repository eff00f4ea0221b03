"""``manage.py practice``: become the simulated fleet, or start a scenario, rest, push its fix, remove its data."""

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
from rollouts.practice.scenarios import SCENARIOS

ACTOR = Actor.automation("manage.py practice", Surface.COMMAND)


class Command(BaseCommand):
    """Without an option it becomes the fleet's process: one that must not carry Django for weeks."""

    help = (
        "Run the simulated fleet, or --start [scenario], --rest, --fix (push the fix), --reset (remove its data), "
        "--anew [scenario] (remove and start), --list."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        for name in ("start", "anew"):
            what.add_argument(f"--{name}", nargs="?", const="", metavar="SCENARIO")
        for name in ("rest", "fix", "reset", "list"):
            what.add_argument(f"--{name}", dest="what", action="store_const", const=name)

    def handle(self, *args: Any, **options: Any) -> None:
        named = next((name for name in ("start", "anew") if options[name] is not None), "")
        what, scenario = options["what"] or named, options[named] if named else ""
        if what == "list":
            for each in SCENARIOS.values():
                self.stdout.write(f"{each.name:16} {each.title}: {each.happens}")
            return
        if not what:
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
            if what == "fix":
                practice.push_fix(actor=ACTOR)
            if what in {"start", "anew"}:
                practice.begin(actor=ACTOR, scenario=scenario)
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
