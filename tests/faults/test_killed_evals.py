"""An eval run outlives its worker: said to be stalled, taken over, finished without doing anything twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scene import api, count, ship
from tests.processes import Workbench
from tests.rollouts.evals.test_command import is_alive

pytestmark = pytest.mark.story
Start = Callable[..., Workbench]

#: Its first try says one result and hangs; every later one says all it is asked for.
RUNNER = """
import json, os, sys, time
given = json.load(open(sys.argv[1]))
first = not os.path.exists({note!r})
with open({note!r}, "a") as note:
    note.write(f"{{os.getpid()}} {{len(given['cases'])}}\\n")
for case in given["cases"]:
    print(json.dumps({{"case": case["key"], "outcome": "pass"}}), flush=True)
    if first:
        time.sleep(600)
"""


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """Where each try of the runner writes its process and how many cases it was asked for."""
    return tmp_path / "tries"


def begun(start: Start, note: Path) -> tuple[Workbench, Callable[[], dict[str, Any]]]:
    """A workbench whose worker is at a run of two cases and has heard of one; and how the run stands."""
    script = note.with_name("runner.py")
    script.write_text(RUNNER.format(note=str(note)))
    workbench = start("server", "worker", "clock", env={"EVAL_COMMAND": f"{sys.executable} {script}"})
    ship(workbench, "killed")
    for key in ("a", "b"):
        check = {"kind": "assertion", "body": {"path": "", "operator": "exists"}}
        case = {"key": key, "title": key, "inputs": {"n": 1}, "check": check}
        api(workbench, "bundles/killed/cases", case)
    run = api(workbench, "bundles/killed/versions/2/eval-runs", {})["run"]

    def stands() -> dict[str, Any]:
        told: dict[str, Any] = workbench.http.get(f"/api/v1/eval-runs/{run}", headers=workbench.token()).json()
        return told

    workbench.eventually(lambda: stands()["counts"]["passed"] == 1, 40)
    return workbench, stands


def tries(note: Path) -> list[list[int]]:
    return [[int(part) for part in line.split()] for line in note.read_text().splitlines()]


def test_a_run_whose_worker_is_killed_is_stalled_by_name_and_finished_by_the_next(
    start_workbench: Start, note: Path
) -> None:
    workbench, stands = begun(start_workbench, note)
    first = stands()
    assert (first["state"], first["stalled"]) == ("running", None)
    workbench.kill("worker")
    [[command, asked]] = tries(note)
    assert asked == 2
    workbench.eventually(lambda: not is_alive(command), 10)  # the guard ends what nobody is left to end

    workbench.clock.advance(seconds=40)
    stalled = stands()
    assert (stalled["state"], stalled["counts"]["passed"]) == ("running", 1)
    assert f"Worker {first['worker']} has gone" in stalled["stalled"]

    workbench.start("worker")
    workbench.eventually(lambda: stands()["ended_at"], 40)
    done = stands()
    assert (done["state"], done["gate"], done["stalled"]) == ("passed", "green", None)
    assert done["worker"] != first["worker"]
    assert [(row["case"], row["attempt"]) for row in done["results"]["items"]] == [("b", 1), ("a", 1)]
    assert [asked for _, asked in tries(note)] == [2, 1], "the second worker asks only for what is missing"
    assert count(workbench, "rollouts_gateresult", "gate = 'evals'") == 1


def test_a_worker_that_is_told_to_stop_ends_its_command_and_hands_the_run_on(
    start_workbench: Start, note: Path
) -> None:
    workbench, stands = begun(start_workbench, note)
    process = workbench.processes["worker"]
    process.ask_to_stop()
    assert process.popen is not None
    process.popen.wait(8)  # what the supervisor allows
    assert not is_alive(tries(note)[0][0])
    assert (stands()["state"], stands()["counts"]["passed"]) == ("running", 1)
    workbench.start("worker")  # and nobody waits for a hold to lapse
    workbench.eventually(lambda: stands()["state"] == "passed", 60)


def test_pages_and_notices_leave_while_an_eval_runs(start_workbench: Start, note: Path) -> None:
    workbench, stands = begun(start_workbench, note)
    ticked = workbench.sql("SELECT at FROM workbench_tick")
    workbench.eventually(lambda: workbench.sql("SELECT at FROM workbench_tick") != ticked, 20)
    api(workbench, "deployments/killed/prod/rollback")
    workbench.eventually(lambda: count(workbench, "incidents_machinemove", "kind = 'rollback'"), 10)
    assert stands()["state"] == "running"
    run = stands()["run"]
    assert api(workbench, f"eval-runs/{run}/cancel")["state"] == "cancelled"
    workbench.eventually(lambda: not is_alive(tries(note)[0][0]), 10)
