"""What agents notice while PostgreSQL is away: nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from accounts import clock
from tests.factories.rollouts import body
from tests.processes import Workbench, installed

FLAG = "/ofrep/v1/evaluate/flags/forge.version"


@pytest.fixture(scope="module")
def workbench() -> Iterator[Workbench]:
    """An installation with a PostgreSQL of its own and a bundle that ran 1.0.0, then 2.0.0."""
    with installed(own_cluster=True) as made:
        made.start("server")
        for label in ("1.0.0", "2.0.0"):
            pushed = post(made, "/api/v1/bundles/forge/versions", body(label=label, text=f"You are {label}."))
            for environment in ("staging", "prod"):
                until = (clock.now() + timedelta(days=30)).isoformat()
                waiver = {"reason": "no evals yet", "expires_at": until}
                path = f"/api/v1/deployments/forge/{environment}/promote"
                post(made, path, {"number": pushed["number"], "waiver": waiver})
        made.eventually(lambda: ask(made).status_code == 200)  # the same doors, in the whole workbench
        made.stop("server")
        del made.processes["server"]
        yield made


def post(workbench: Workbench, path: str, content: dict[str, Any]) -> dict[str, Any]:
    answer = workbench.http.post(path, json=content, headers=workbench.token())
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ask(workbench: Workbench) -> httpx.Response:
    key = workbench.credentials["ofrep_key"]
    return workbench.http.post(FLAG, json={"context": {}}, headers={"Authorization": f"Bearer {key}"})


def point_at(workbench: Workbench, number: int) -> None:
    """Move the pointer behind the operations' back, so that no notice is sent."""
    workbench.sql(
        "UPDATE rollouts_deployment SET active_id = v.id FROM rollouts_bundleversion v"
        " WHERE v.number = %s AND environment_id = 'prod'",
        [number],
    )
    workbench.sql("UPDATE rollouts_environment SET epoch = epoch + 1 WHERE name = 'prod'")


def ready(workbench: Workbench) -> dict[str, Any]:
    answer = workbench.http.get("/readyz")
    found: dict[str, Any] = answer.json() | {"status": answer.status_code}
    return found


def test_answers_go_on_while_postgresql_is_away_and_move_on_when_it_is_back(workbench: Workbench) -> None:
    assert workbench.postgres is not None
    workbench.start("resolver")
    workbench.eventually(lambda: ask(workbench).status_code == 200)
    statuses: list[int] = []
    done = threading.Event()

    def load() -> None:
        key = {"Authorization": f"Bearer {workbench.credentials['ofrep_key']}"}
        with httpx.Client(base_url=workbench.url, headers=key, timeout=5) as client:
            while not done.is_set():
                statuses.append(client.post(FLAG, json={"context": {"targetingKey": "under-load"}}).status_code)

    asking = threading.Thread(target=load)
    asking.start()
    try:
        workbench.postgres.stop()
        workbench.eventually(lambda: ready(workbench)["problem"])
        said = ready(workbench)
        assert (said["status"], said["ready"]) == (200, True)
        assert said["problem"].startswith("PostgreSQL does not answer")
        assert said["since"]
        assert ask(workbench).json()["value"] == "2.0.0"
        workbench.postgres.start()
        point_at(workbench, 1)
        workbench.eventually(lambda: ask(workbench).json()["value"] == "1.0.0")
        assert ready(workbench)["problem"] is None
        seen = "SELECT version_number FROM rollouts_instance WHERE name = 'under-load'"
        workbench.eventually(lambda: workbench.sql(seen))
    finally:
        done.set()
        asking.join()
    assert set(statuses) == {200}
    assert len(statuses) > 100


def test_a_killed_listener_and_a_lost_notice_cost_seconds_not_the_flip(workbench: Workbench) -> None:
    if "resolver" not in workbench.processes:
        workbench.start("resolver")
    killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lastgood resolver'"
    assert workbench.sql(killed) == [(True,)]
    point_at(workbench, 2)
    workbench.eventually(lambda: ask(workbench).json()["value"] == "2.0.0", 5)


def test_before_the_first_read_the_answer_is_not_yet_instead_of_not_found(workbench: Workbench) -> None:
    assert workbench.postgres is not None
    if "resolver" in workbench.processes:
        workbench.stop("resolver")
    workbench.postgres.stop()
    workbench.start("resolver")
    answer = ask(workbench)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "PostgreSQL" in answer.json()["errorDetails"]
    assert (ready(workbench)["status"], ready(workbench)["ready"]) == (503, False)
    prompt = workbench.http.get("/api/public/v2/prompts/forge", auth=("any", workbench.credentials["ofrep_key"]))
    assert prompt.status_code == 503
    workbench.postgres.start()
    workbench.eventually(lambda: ask(workbench).status_code == 200)
    assert ready(workbench)["status"] == 200
