"""The command line beside the API, against the processes that `make run` starts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from tests.processes import Workbench
from tests.rollouts.test_cli import Shell, bundle_folder

pytestmark = pytest.mark.story


def ship(workbench: Workbench, shell: Shell, key: str, folder: Path) -> None:
    """Two versions of ``key`` in prod, by command line and API."""
    toml = (
        f'key = "{key}"\n[model]\nprovider = "anthropic"\nsnapshot = "claude-sonnet-4-5-20250929"\n'
        '[metadata]\nreviewer = "Grace"\nin_flight_policy = "complete_old"\n'
    )
    bundle_folder(folder, toml)
    waiver = {"reason": "first day", "expires_at": (workbench.clock.now() + timedelta(days=1)).isoformat()}
    for number, label in enumerate(["1.0.0", "2.0.0"], start=1):
        (folder / "prompt.md").write_text(f"Be brief, take {number}.")
        shell("push", str(folder), "--label", label)
        path = f"/api/v1/deployments/{key}/prod/promote"
        sent = {"number": number, "waiver": waiver}
        assert workbench.http.post(path, headers=workbench.token(), json=sent).status_code == 200


def test_doors_pressing_together_are_one_rollback_in_one_incident(
    start_workbench: Callable[..., Workbench], tmp_path: Path
) -> None:
    workbench = start_workbench("server")
    shell = Shell(workbench.url, tmp_path / "home")
    shell.env["LASTGOOD_VAR"] = str(workbench.folder)  # the first start's credentials, as a newcomer has them
    ship(workbench, shell, "support", tmp_path / "support")
    ship(workbench, shell, "support.emea", tmp_path / "emea")

    declared = shell("declare", "Refunds are doubled", "--severity", "SEV1", "--agent", "support.default").stdout
    assert "Declared INC-1" in declared
    assert "SEV1" in shell("status").stdout
    refused = shell("ack", "INC-1", expect=3)
    assert "takes a person" in refused.stderr

    path = f"{workbench.url}/api/v1/deployments/support/prod/rollback"

    def by_api() -> str:
        answer = workbench.http.post(path, headers=workbench.token())
        assert answer.status_code in {200, 201}
        return f"{answer.json()['rollback']} {answer.json()['incident']}"

    with ThreadPoolExecutor(8) as doors:
        typed = [doors.submit(shell, "rollback", "support") for _ in range(4)]
        posted = [doors.submit(by_api) for _ in range(4)]
        said = [press.result().stdout for press in typed]
        told = {press.result() for press in posted}
    assert all("support/prod: 2.0.0 → 1.0.0" in line for line in said), "the variant with the open incident"
    assert all("it has the open incident INC-1" in line for line in said)
    assert workbench.sql("SELECT count(*) FROM rollouts_rollback") == [(1,)]
    assert workbench.sql("SELECT count(*) FROM incidents_incident") == [(1,)]
    assert told == {"1 INC-1"}, "also for a press that lost the race"
