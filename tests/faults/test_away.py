"""What Lastgood stands on goes away under load and comes back: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.faults.scene import Browser, alarm, count, intake, press, room_about, ship
from tests.processes import Workbench, free_port
from tests.programs import needed

pytestmark = pytest.mark.story
Start = Callable[..., Workbench]

AWAY_SECONDS = 6.0
#: An alert's sender is told within this long (seconds), away or not, on a busy machine.
TOLD_WITHIN = 5.0


class Asking(threading.Thread):
    """An agent that resolves its bundle again and again; ``statuses`` counts what it was answered."""

    def __init__(self, workbench: Workbench) -> None:
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0
        self.enough = threading.Event()
        key = {"Authorization": f"Bearer {workbench.credentials['ofrep_key']}"}
        self.http = httpx.Client(base_url=workbench.url, headers=key, timeout=10, trust_env=False)

    def run(self) -> None:
        with self.http:
            while not self.enough.is_set():
                began = time.monotonic()
                answer = self.http.post("/ofrep/v1/evaluate/flags/away.version", json={"context": {}})
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.statuses[answer.status_code] += 1
                time.sleep(0.01)

    def stop(self) -> None:
        self.enough.set()
        self.join(15)


class Monitor(threading.Thread):
    """A monitor that sends each alert until it is taken, as Retry-After says."""

    def __init__(self, workbench: Workbench, number: int) -> None:
        super().__init__(daemon=True)
        self.refused: list[tuple[int, str]] = []
        self.slowest, self.taken = 0.0, 0
        self.number = number
        self.enough = threading.Event()
        self.url = workbench.url + intake(workbench)

    def run(self) -> None:
        with httpx.Client(timeout=20, trust_env=False) as http:
            while not self.enough.is_set():
                self.send(http, f"{self.number}-{self.taken}")
                time.sleep(0.02)

    def send(self, http: httpx.Client, fingerprint: str) -> None:
        while True:
            began = time.monotonic()
            answer = http.post(self.url, json=alarm("away", fingerprint))
            self.slowest = max(self.slowest, time.monotonic() - began)
            if answer.status_code == 200:
                self.taken += 1
                return
            self.refused.append((answer.status_code, answer.headers.get("retry-after", "")))
            time.sleep(0.3)

    def stop(self) -> None:
        self.enough.set()
        self.join(30)


def test_postgresql_restarted_under_load(start_workbench: Start) -> None:
    workbench = start_workbench("server", "worker", "clock", own_cluster=True)
    assert workbench.postgres
    ship(workbench, "away")
    room = room_about(workbench, "away")
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"], 20)
    agent, monitors = Asking(workbench), [Monitor(workbench, number) for number in range(4)]
    with Browser(workbench).as_admin(workbench) as browser, listening(browser, room) as heard:
        workbench.eventually(heard)  # the page is live
        for thread in (agent, *monitors):
            thread.start()
        time.sleep(1)

        workbench.postgres.stop()
        gone = time.monotonic()
        with ThreadPoolExecutor(3) as people:
            asked = [
                people.submit(workbench.http.get, "/readyz", timeout=20),
                people.submit(press, workbench, "away", timeout=20),
                people.submit(browser.http.get, f"/i/{room}/"),
            ]
            said, refused, page = (answer.result() for answer in asked)
        assert said.status_code == 503
        assert said.json()["checks"]["database"].startswith("PostgreSQL does not answer")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5"), refused.text[:300]
        assert (page.status_code, page.headers["retry-after"]) == (503, "5")
        assert "The database does not answer" in page.text
        assert workbench.http.get("/healthz").status_code == 200
        time.sleep(max(0.0, AWAY_SECONDS - (time.monotonic() - gone)))
        workbench.postgres.start()

        workbench.eventually(lambda: workbench.http.get("/readyz", timeout=20).json()["ready"], 40)
        seen = len(heard())
        agent.stop()
        for monitor in monitors:
            monitor.stop()
        assert press(workbench, "away").status_code == 201
        workbench.eventually(lambda: len(heard()) > seen, 10)
        assert browser.http.get(f"/i/{room}/").status_code == 200

    assert set(agent.statuses) == {200}, "agents noticed nothing"
    assert agent.slowest < 2
    refusals = {refusal for monitor in monitors for refusal in monitor.refused}
    assert refusals == {(503, "2")}
    assert max(monitor.slowest for monitor in monitors) < TOLD_WITHIN
    taken = sum(monitor.taken for monitor in monitors)
    assert taken > 20
    known = "dedup_key <> '' AND title LIKE '%%(_-%%'"
    assert count(workbench, "incidents_alert", known) == taken, "each alert is stored"
    assert workbench.sql(f"SELECT max(received_count) FROM incidents_alert WHERE {known}") == [(1,)], "and stored once"
    assert count(workbench, "incidents_incident", "resolved_at IS NULL") == 1
    before = workbench.sql("SELECT at FROM workbench_tick")
    workbench.eventually(lambda: workbench.sql("SELECT at FROM workbench_tick") != before, 25)
    workbench.eventually(lambda: not count(workbench, "incidents_page", "done_at IS NULL"), 20)
    for role in ("server", "worker", "clock"):
        assert workbench.processes[role].running, f"{role} did not recover by itself"


@contextmanager
def listening(browser: Browser, room: str) -> Iterator[Callable[[], list[str]]]:
    """An open page's stream, connected again whenever it ends; calling the result gives the lines heard so far."""
    lines: list[str] = []
    enough = threading.Event()

    def listen() -> None:
        while not enough.is_set():
            try:
                with browser.http.stream("GET", f"/events/?scope={room}", timeout=httpx.Timeout(20, read=60)) as stream:
                    for line in stream.iter_lines():
                        lines.append(line)
                        if enough.is_set():
                            return
            except httpx.TransportError:
                time.sleep(0.2)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield lambda: list(lines)
    finally:
        enough.set()


@contextmanager
def redis(port: int, folder: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of our own, in memory only."""
    argv = [needed("redis"), "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield server
    finally:
        server.kill()
        server.wait(10)


def test_with_the_broker_away_a_press_and_an_alert_work_and_what_is_owed_is_sent_later(
    start_workbench: Start, tmp_path: os.PathLike[str]
) -> None:
    port = free_port()
    with redis(port, str(tmp_path)):
        broker = {"CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0"}
        workbench = start_workbench("server", "worker", "clock", env=broker)
        ship(workbench, "brokerless")
        workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"], 30)
    assert "broker does not answer" in workbench.http.get("/readyz").json()["checks"]["broker"]

    began = time.monotonic()
    room = room_about(workbench, "brokerless")
    pressed = press(workbench, "brokerless")
    assert (pressed.status_code, pressed.json()["incident"]) == (201, room)
    assert time.monotonic() - began < TOLD_WITHIN
    owed = "done_at IS NULL"
    assert (count(workbench, "incidents_page", owed), count(workbench, "incidents_notice", owed)) == (1, 1)

    with redis(port, str(tmp_path)):
        for table in ("incidents_page", "incidents_notice"):
            workbench.eventually(lambda: not count(workbench, table, owed), 40)  # noqa: B023
        assert [path.read_text().count(room) > 0 for path in (workbench.folder / "mail").iterdir()] == [True] * 2
        workbench.stop()
