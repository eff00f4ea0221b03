"""A folder that another user can reach, as a clone's var is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import open_up


@pytest.fixture
def reachable(tmp_path: Path) -> Path:
    return open_up(tmp_path)
