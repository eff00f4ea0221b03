"""`make run`, from outside: it starts, is restarted, killed, doubled and stopped as a person would."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import FOREIGN, ROOT, free_port
from workbench.embedded import EmbeddedServer
from workbench.leftovers import members, stop_leftovers


class Run:
    """One `manage.py workbench`, its output read as it comes."""

    def __init__(self, var: Path, port: int, practice: str = "0") -> None:
        self.var, self.port = var, port
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN | {"CELERY_BROKER_URL"}}
        self.popen = subprocess.Popen(
            [sys.executable, "manage.py", "workbench"],
            cwd=ROOT,
            env=kept
            | {
                "DJANGO_SETTINGS_MODULE": "workbench.settings",
                "LASTGOOD_VAR": str(var),
                "PORT": str(port),
                "PRACTICE": practice,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout
        with self.popen.stdout as out:
            self.lines.extend(iter(out.readline, ""))

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def wait_for(self, true: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def wait_ready(self) -> None:
        self.wait_for(lambda: "Lastgood is ready" in self.said or self.popen.poll() is not None)
        assert "Lastgood is ready" in self.said, self.said

    def status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def recorded(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.var / "processes.json").read_text())
        return found

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.popen.send_signal(signal.SIGINT)
        code = self.popen.wait(15)
        self.reader.join(5)
        return code


@pytest.fixture
def run(reachable: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(port: int | None = None, practice: str = "0") -> Run:
        runs.append(Run(reachable / "var", port or free_port(), practice))
        return runs[-1]

    yield start
    for one in runs:
        if one.popen.poll() is None:
            one.popen.kill()
            one.popen.wait()
        one.reader.join(5)
    with contextlib.suppress(FileNotFoundError):
        stop_leftovers(json.loads((reachable / "var/processes.json").read_text()))
    EmbeddedServer(reachable / "var").stop()


@pytest.mark.story
def test_it_starts_heals_refuses_a_second_start_stops_cleanly_and_continues(run: Callable[..., Run]) -> None:
    first = run()
    first.wait_ready()
    assert first.status("/healthz") == 200
    children = first.recorded()
    assert set(children) == {"server", "worker", "clock"}

    second = run(first.port)
    assert second.popen.wait(15) == 1
    second.reader.join(5)
    assert f"Lastgood already runs from {first.var}" in second.said
    assert "Traceback" not in second.said

    os.killpg(children["clock"], signal.SIGKILL)
    first.wait_for(lambda: first.recorded()["clock"] != children["clock"])
    assert "The clock ended (killed by SIGKILL); starting it again" in first.said

    began = time.monotonic()
    assert first.interrupt() == 0
    assert time.monotonic() - began < 10
    assert not any(members(group) for group in children.values())
    assert EmbeddedServer(first.var).pid() is None
    assert "Traceback" not in first.said

    secret = (first.var / "secret_key").read_text()
    third = run()
    third.wait_ready()
    assert third.interrupt() == 0
    assert (third.var / "secret_key").read_text() == secret


@pytest.mark.story
def test_whatever_is_killed_is_back_within_seconds(run: Callable[..., Run]) -> None:
    one = run(practice="1")
    one.wait_ready()
    one.wait_for(lambda: set(one.recorded()) == {"server", "worker", "clock", "practice"})
    before = one.recorded()
    database = EmbeddedServer(one.var).pid()
    assert database
    for group in before.values():
        os.killpg(group, signal.SIGKILL)
    one.wait_for(lambda: all(one.recorded()[name] != group for name, group in before.items()), 20)
    one.wait_for(lambda: one.status("/healthz") == 200)
    for name in before:
        assert f"The {name} ended (killed by SIGKILL); starting it again" in one.said
    os.kill(database, signal.SIGKILL)
    one.wait_for(lambda: EmbeddedServer(one.var).pid() not in {None, database}, 20)
    assert "PostgreSQL has ended; starting it again." in one.said
    one.wait_for(lambda: one.status("/readyz") == 200, 40)
    assert one.interrupt() == 0


@pytest.mark.story
def test_after_the_supervisor_was_killed_the_next_start_clears_up_and_works(run: Callable[..., Run]) -> None:
    first = run()
    first.wait_ready()
    left = first.recorded()
    first.popen.kill()
    first.popen.wait()
    assert members(left["server"]), "the server lives on and holds the port"

    second = run(first.port)
    second.wait_ready()
    assert f"Stopped a leftover server (process {left['server']})" in second.said
    assert "PostgreSQL was still running" in second.said
    assert second.status("/healthz") == 200
    assert second.interrupt() == 0


def test_a_taken_port_is_a_plain_sentence_with_a_free_one(run: Callable[..., Run]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        one = run(port)
        assert one.popen.wait(15) == 1
        one.reader.join(5)
    assert f"Port {port} on 127.0.0.1 is taken by another program. Choose another: PORT=" in one.said
    assert "Traceback" not in one.said


def test_a_setting_that_makes_no_sense_is_a_plain_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "workbench"],
        cwd=ROOT,
        env=os.environ | {"PORT": "eighty", "DJANGO_SETTINGS_MODULE": "workbench.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "PORT must be a whole number, not 'eighty'.\n"


def test_a_recorded_number_that_is_somebody_else_s_now_is_left_alone() -> None:
    stranger = subprocess.Popen(["sleep", "30"], start_new_session=True)
    try:
        assert stop_leftovers({"server": stranger.pid}) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
