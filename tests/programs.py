"""Programs of the system that some tests need: found, or the test is skipped by name.

``.ci/run`` installs them and sets ``LASTGOOD_REQUIRE_PROGRAMS``: there a missing one is a failure.
"""

from __future__ import annotations

import os
import shutil

import pytest

#: what → names under which systems install it
KNOWN = {
    "chromium": ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "redis": ("redis-server", "valkey-server"),
}


def needed(what: str) -> str:
    """The path of a program of ``KNOWN``; skips the test when this machine has none."""
    for name in KNOWN[what]:
        if path := shutil.which(name):
            return path
    reason = f"no {what} on this machine (looked for {', '.join(KNOWN[what])})"
    if os.environ.get("LASTGOOD_REQUIRE_PROGRAMS"):
        pytest.fail(reason)
    pytest.skip(reason)
