"""The real server under bad luck: killed in mid-burst, its PostgreSQL taken away, a second one beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.intakes import alert, notification
from tests.processes import Workbench

pytestmark = pytest.mark.story
Start = Callable[..., Workbench]


def door(workbench: Workbench) -> str:
    return f"{workbench.url}/intake/alertmanager/{workbench.credentials['intake']['alertmanager']}"


def send(address: str, fingerprint: str, group: str) -> int:
    """The status; 0 when no answer came."""
    try:
        body = notification(alert(fingerprint), group=group)
        return httpx.post(address, content=json.dumps(body), timeout=15, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def test_a_burst_whose_server_is_killed_is_stored_once_by_its_retries(start_workbench: Start) -> None:
    workbench = start_workbench("server")
    address = door(workbench)
    keys = [f"burst-{number}" for number in range(120)]

    def first(key: str) -> int:
        return send(address, key, key)

    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(first, key) for key in keys]
        workbench.eventually(lambda: sum(answer.done() for answer in answers) > 20)
        workbench.kill("server")
        told = {key: answer.result() for key, answer in zip(keys, answers, strict=True)}
    stored = {row[0] for row in workbench.sql("SELECT dedup_key FROM incidents_alert")}
    assert {key for key, status in told.items() if status == 200} <= stored, "an answer was given before its commit"
    missed = [key for key, status in told.items() if status != 200]
    assert missed

    workbench.start("server")
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(first, missed)) == {200}
    assert workbench.sql("SELECT count(*), count(DISTINCT dedup_key) FROM incidents_alert") == [(120, 120)]
    assert workbench.sql("SELECT count(*) FROM incidents_incident") == [(120,)]
    assert workbench.sql(
        "SELECT count(*) FROM incidents_page GROUP BY incident_id, user_id HAVING count(*) > 1"
    ) == []  # fmt: skip


def test_while_postgresql_is_away_the_sender_is_told_to_come_again_and_its_retry_is_stored_once(
    start_workbench: Start,
) -> None:
    workbench = start_workbench("server", own_cluster=True)
    assert workbench.postgres is not None
    address = door(workbench)
    assert send(address, "before", "g") == 200

    workbench.postgres.stop()
    began = time.monotonic()
    answer = httpx.post(address, json=notification(alert("during")), timeout=15, trust_env=False)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["error"]
    assert time.monotonic() - began < 8

    workbench.postgres.start()
    workbench.eventually(lambda: send(address, "during", "g") == 200)
    assert workbench.sql("SELECT count(*) FROM incidents_alert WHERE dedup_key = 'during'") == [(1,)]
    assert workbench.sql("SELECT count(*) FROM incidents_receipt") == [(2,)]
    assert workbench.sql("SELECT count(*) FROM incidents_incident") == [(1,)]


def test_a_body_that_is_too_large_is_answered_and_the_server_goes_on(start_workbench: Start) -> None:
    workbench = start_workbench("server")
    address = door(workbench)
    try:
        status = httpx.post(address, content=b"x" * 10_000_000, timeout=15, trust_env=False).status_code
    except httpx.TransportError:  # the server may close before all is sent
        status = 413
    assert status == 413
    assert send(address, "after", "g") == 200
    assert workbench.sql("SELECT count(*) FROM incidents_receipt") == [(1,)]
