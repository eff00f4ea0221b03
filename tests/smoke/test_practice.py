"""The practice fleet beside what may happen to it: restarts, stops, rest. Real processes, public doors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.processes import Workbench
from tests.smoke.test_s7 import AGENT, PACE, Story

pytestmark = [pytest.mark.story]


def test_a_restart_goes_on_with_the_same_incident_and_stops_are_honoured(
    start_workbench: Callable[..., Workbench],
) -> None:
    workbench = start_workbench(
        "server", "worker", "clock", "practice", env={"LASTGOOD_PRACTICE_PACE": json.dumps(PACE)}
    )
    story = Story(workbench)

    def practice(name: str) -> Any:
        return (story.practice() or {}).get(name)

    def counted(outcome: str) -> int:
        rows = workbench.sql("SELECT report #>> ARRAY['counts', %s] FROM rollouts_practicerun", [outcome])
        return int(rows[0][0] or 0)

    workbench.eventually(lambda: practice("firing"), 40)
    ref = story.incidents()[0]["ref"]
    started = workbench.sql("SELECT report ->> 'firing_since' FROM rollouts_practicerun")

    # The fleet is killed, then the server too, and both come back.
    workbench.kill("practice", "server")
    workbench.start("server", "practice")
    served = counted("refunded")
    workbench.eventually(lambda: counted("refunded") > served, 20)
    assert workbench.sql("SELECT report ->> 'firing_since' FROM rollouts_practicerun") == started
    assert [incident["ref"] for incident in story.incidents()] == [ref]
    assert workbench.sql("SELECT count(*) FROM rollouts_bundleversion") == [(2,)]
    assert workbench.sql("SELECT count(*) FROM rollouts_activation") == [(2,)]
    waiting = practice("queued")

    pressed = workbench.http.post(f"/api/v1/deployments/{AGENT}/rollback", headers=story.token)
    assert pressed.status_code == 201
    workbench.eventually(lambda: story.incidents()[0]["status"] == "recovered", 30)
    assert practice("retried") == practice("retried_refunded") >= waiting
    assert practice("queued") == 0

    # Without its tool, and without itself, the agent hands every customer to a human.
    for scope in ("tool:issue_refund", "whole"):
        stop = {"scope": scope, "fallback": "The old form"}
        stopped = workbench.http.post(f"/api/v1/deployments/{AGENT}/stop", json=stop, headers=story.token)
        assert stopped.status_code == 201
        workbench.eventually(lambda: practice("rate") is None, 20)  # nothing measured in the window any more
        handed, refunded = counted("handed_over"), counted("refunded")
        workbench.eventually(lambda handed=handed: counted("handed_over") > handed, 10)  # type: ignore[misc]
        assert counted("refunded") == refunded
    assert [incident["status"] for incident in story.incidents()] == ["recovered"]  # no data is not an alert

    # Told to rest, it sends nothing more; woken, it goes on.
    workbench.manage("practice", "--rest")
    workbench.eventually(lambda: "rests" in workbench.log("practice"), 10)
    assert practice("state") == "resting"
    workbench.manage("practice", "--start")
    handed = counted("handed_over")
    workbench.eventually(lambda: counted("handed_over") > handed, 15)
