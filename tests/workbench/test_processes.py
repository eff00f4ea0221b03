"""The harness that whole-process tests stand on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.processes import Workbench

Start = Callable[..., Workbench]


@pytest.mark.story
def test_server_worker_and_clock_become_ready_and_their_clocks_move_together(start_workbench: Start) -> None:
    workbench = start_workbench()
    moment = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)
    workbench.clock.move_to(moment)
    workbench.start("server", "worker", "clock")
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"])
    ((ticked_at,),) = workbench.sql("SELECT at FROM workbench_tick")
    assert abs(ticked_at - moment) < timedelta(minutes=1)

    workbench.clock.advance(hours=2)
    assert "seconds old" in workbench.http.get("/readyz").json()["checks"]["clock"]
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"])

    workbench.stop()
    assert [process.popen.returncode for process in workbench.processes.values() if process.popen] == [0, 0, 0]
