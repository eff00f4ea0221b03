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
    later = moment + timedelta(hours=2)
    workbench.eventually(lambda: workbench.sql("SELECT at FROM workbench_tick WHERE at >= %s", [later]))

    workbench.stop("clock")
    workbench.clock.advance(hours=2)
    assert "seconds old" in workbench.http.get("/readyz").json()["checks"]["clock"]
    workbench.stop()
    assert [process.popen.returncode for process in workbench.processes.values() if process.popen] == [0, 0, 0]


@pytest.mark.story
def test_a_workbench_with_a_cluster_of_its_own_comes_back_after_postgresql_was_away(start_workbench: Start) -> None:
    workbench = start_workbench("server", own_cluster=True)
    assert workbench.postgres
    workbench.postgres.stop()
    said = workbench.http.get("/readyz", timeout=20)
    assert said.status_code == 503
    assert said.json()["checks"]["database"].startswith("PostgreSQL does not answer")
    assert workbench.http.get("/healthz").status_code == 200
    workbench.postgres.start()
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["checks"]["database"] == "ok", 20)
