"""Settings of the test run: the same file, on a throw-away cluster whose clock tests may move."""

from __future__ import annotations

from workbench.settings import *  # noqa: F403

SECRET_KEY = "only-for-tests"  # noqa: S105
