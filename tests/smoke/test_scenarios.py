"""Two scenarios one after the other, by real processes and the API: each contained the way that helps it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.processes import Workbench
from tests.smoke.test_s7 import PACE, Story

pytestmark = [pytest.mark.story]


def test_the_schema_contract_is_rolled_back_and_one_region_is_stopped(
    start_workbench: Callable[..., Workbench],
) -> None:
    pace = PACE | {"bad_for": 3.0, "outside": 1.0, "mended": 2.0}
    workbench = start_workbench("server", "worker", "clock", env={"LASTGOOD_PRACTICE_PACE": json.dumps(pace)})
    story = Story(workbench)

    def post(path: str, **body: Any) -> Any:
        answer = workbench.http.post(path, json=body, headers=story.token)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def status_of(reference: str) -> str:
        found = [one for one in story.incidents() if (one["header"]["reference"] or "").startswith(reference)]
        return str(found[0]["status"]) if found else ""

    post("/api/v1/practice/start", scenario="schema-contract")
    workbench.start("practice")
    workbench.eventually(lambda: status_of("forge/") == "open", 60)
    header = story.incidents()[0]["header"]
    assert header["reference"] == "forge/prod/system/1.4.0"
    assert (header["metric"], header["comparator"], header["threshold"]) == ("schema_valid_rate", "<", 0.95)
    assert header["value"] == pytest.approx(0.80, abs=0.05)
    refused = workbench.http.post("/api/v1/practice/start", json={"scenario": "one-region"}, headers=story.token)
    assert refused.status_code == 409
    assert "Stop it first" in refused.text
    assert post("/api/v1/deployments/forge.system/prod/rollback")["to"]["label"] == "1.3.2"
    workbench.eventually(lambda: status_of("forge/") == "recovered", 60)
    post("/api/v1/practice/fix")
    workbench.eventually(lambda: "1.4.1" in story.practice()["fixed"], 30)
    assert len(story.get("/api/v1/bundles/forge.system/cases")["items"]) == 3

    post("/api/v1/practice/stop")
    post("/api/v1/practice/start", scenario="one-region")
    workbench.eventually(lambda: status_of("parcel-desk/") == "open", 60)
    post("/api/v1/deployments/parcel-desk/prod/stop", scope="region:eu")
    workbench.eventually(lambda: status_of("parcel-desk/") == "recovered", 60)
    assert story.get("/api/v1/deployments/parcel-desk/prod")["active"]["label"] == "5.2.0"
    assert status_of("forge/") == "recovered"
