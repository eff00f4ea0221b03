"""The resolver alone, for a process near the agents: the same doors, no pages, no API."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")

import django

django.setup()

from workbench.doors import resolver_only  # noqa: E402

application = resolver_only()
