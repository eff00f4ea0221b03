"""``make demo-reset`` where a workbench runs already: practice starts anew in it, and it is left alone."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.processes import ROOT, Workbench
from workbench.supervisor import LOCK_FILE


@pytest.mark.story
def test_a_running_workbench_is_told_to_practise_anew(start_workbench: Callable[..., Workbench]) -> None:
    workbench = start_workbench()
    workbench.manage("practice", "--start")
    assert workbench.sql("SELECT count(*), count(ended_at) FROM rollouts_practicerun") == [(1, 0)]
    with (workbench.folder / LOCK_FILE).open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("process 1, http://127.0.0.1:9123")  # started with another PORT than the one who asks
        held.flush()
        told = subprocess.run(
            [sys.executable, "-m", "workbench.reset"],
            cwd=ROOT, env=workbench.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "Practice starts anew: http://127.0.0.1:9123/live" in told.stdout
    assert workbench.sql("SELECT count(*), count(ended_at) FROM rollouts_practicerun") == [(2, 1)]
    assert workbench.sql("SELECT verb FROM accounts_auditentry ORDER BY sequence DESC LIMIT 3") == [
        ("start practice",),
        ("remove practice data",),
        ("start practice",),
    ]
