"""The kill switch that took 43 minutes, by real processes: pressed at once, followed late, measured all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.processes import Workbench
from tests.smoke.test_s7 import PACE, Story

pytestmark = [pytest.mark.story]
SLOW = 8.0


def test_a_stop_is_over_when_the_last_instance_has_fetched_it_and_nothing_acts(
    start_workbench: Callable[..., Workbench],
) -> None:
    pace = PACE | {"bad_for": 3.0, "slow_poll": SLOW}
    workbench = start_workbench("server", "worker", "clock", env={"LASTGOOD_PRACTICE_PACE": json.dumps(pace)})
    story = Story(workbench)
    path = "/api/v1/deployments/account-desk/prod"

    def post(where: str, **body: Any) -> Any:
        answer = workbench.http.post(where, json=body, headers=story.token)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    post("/api/v1/practice/start", scenario="slow-kill-switch")
    workbench.start("practice")
    workbench.eventually(lambda: [one for one in story.incidents() if one["deployment"] == "account-desk/prod"], 60)
    pressed = post(f"{path}/stop", scope="whole", reason="it acts unasked")
    assert pressed["switch"]["verdict"] == "unmeasured"
    assert pressed["switch"]["off_state_ok"] is True

    def over() -> Any:
        told = story.get(f"/api/v1/stops/{pressed['stop']}")
        held = told["containment"]
        return told if held and held["instances"] == held["reached"] == 20 and held["acts_after"] else None

    told = workbench.eventually(over, 60)
    held = told["containment"]
    assert SLOW * 0.5 < held["max_ms"] / 1000 < SLOW + 5
    assert held["p50_ms"] < held["p95_ms"] <= held["max_ms"]
    assert len(told["fetches"]) == 20
    done = {each["tool"]: each["calls"] for each in told["effects"]["tools"]}
    assert done["charge_account"] > done["open_ticket"] > 0
    switch = story.get(f"{path}/kill-switches/whole")
    assert switch["measured_seconds"] >= held["max_ms"] / 1000
    assert switch["damage_floor"]["calls"] == pytest.approx(6.24 * switch["measured_seconds"])
    refused = workbench.http.delete(f"{path}/kill-switches/whole", headers=story.token)
    assert refused.status_code == 409
    assert "never deleted" in refused.text
