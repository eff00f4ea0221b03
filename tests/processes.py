"""Whole processes for smoke, peer and fault tests: server, worker, clock as `make run` starts them.

They run the production settings on a fresh database of the test cluster (or on a cluster of their own, for tests
that take PostgreSQL away), on a port of their own, in a folder of their own, under a clock the test can move::

    def test_story(start_workbench):
        workbench = start_workbench("server", "worker", "clock")
        workbench.http.get("/healthz")                      # httpx, base_url set; workbench.token() for a bearer
        workbench.clock.advance(minutes=5)                  # the test's, every process's and the database's clock
        workbench.kill("worker")                            # SIGKILL to its process group; .stop() is SIGTERM
        workbench.eventually(lambda: workbench.sql("SELECT count(*) FROM incidents_incident") == [(1,)])
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests import databases
from tests.clock import MovableClock
from workbench.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def free_port() -> int:
    """A port nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user can reach when we are root. pytest closes its own, again at each start."""
    with tempfile.TemporaryDirectory(prefix="lastgood-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


class Process:
    """One process in a session of its own; its output in ``log``."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name, self.argv, self.env, self.log = name, list(argv), dict(env), log
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                self.argv, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    @property
    def running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal_group(self, number: signal.Signals) -> None:
        if self.popen is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)

    def ask_to_stop(self) -> None:
        if self.popen is not None and self.running:
            self.popen.terminate()

    def stop(self) -> int | None:
        """SIGTERM and wait; what is left of the group after that is killed. Returns the exit status."""
        if self.popen is None:
            return None
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(STOP_SECONDS)
        self.kill()
        return self.popen.returncode

    def kill(self) -> None:
        self.signal_group(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait(STOP_SECONDS)


class Workbench:
    """One installation: a database, a folder and any of its processes."""

    def __init__(self, folder: Path, database_url: str, dsn: Mapping[str, Any], env: Mapping[str, str]) -> None:
        self.folder, self.database_url, self.dsn = folder, database_url, dict(dsn)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clock_file = folder / "clock-shift"
        self.processes: dict[str, Process] = {}
        self.postgres: EmbeddedServer | None = None  # with own_cluster: the test may stop and start it
        self.env = {
            **{name: value for name, value in os.environ.items() if name not in FOREIGN},
            "DJANGO_SETTINGS_MODULE": "workbench.settings",
            "DATABASE_URL": database_url,
            "LASTGOOD_VAR": str(folder),
            "LASTGOOD_BASE_URL": self.url,
            "LASTGOOD_MOVED_CLOCK": str(self.clock_file),
            "PORT": str(self.port),
            "PRACTICE": "0",
            "SECRET_KEY": "only-for-tests",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests/moved_clock"), str(ROOT)]),
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        self.clock = MovableClock(self._move)
        self.http = httpx.Client(base_url=self.url, timeout=10)

    # -- processes ---------------------------------------------------------------------------------------------------
    def prepare(self) -> None:
        """Migrate and make the first accounts, as a first start does."""
        self.manage("prepare", "--json")

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def start(self, *roles: str) -> None:
        """Start ``server``, ``resolver``, ``worker``, ``clock`` or ``practice``; waits until a server answers."""
        for role in roles:
            argv = [sys.executable, "-m", "workbench.processes", role]
            self.processes[role] = Process(role, argv, self.env, self.folder / f"{role}.log")
            self.processes[role].start()
        if {"server", "resolver"} & set(roles):
            self.eventually(self.answers, START_SECONDS)

    def stop(self, *roles: str) -> None:
        ending = [self.processes[role] for role in roles or tuple(self.processes)]
        for process in ending:
            process.ask_to_stop()
        for process in ending:
            process.stop()

    def kill(self, *roles: str) -> None:
        for role in roles:
            self.processes[role].kill()

    def answers(self) -> bool:
        for process in self.processes.values():
            assert process.running, f"{process.name} has ended:\n{self.log(process.name)}"
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def log(self, role: str) -> str:
        """The last of what a process wrote."""
        return "\n".join((self.folder / f"{role}.log").read_text(errors="replace").splitlines()[-60:])

    # -- questions ---------------------------------------------------------------------------------------------------
    @property
    def credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "credentials.json").read_text())
        return found

    def token(self) -> dict[str, str]:
        """Headers of the token that the first start made."""
        return {"Authorization": f"Bearer {self.credentials['token']}"}

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(**self.dsn, autocommit=True)

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def eventually(self, true: Callable[[], Any], seconds: float = 15.0) -> Any:
        """What ``true`` returns once it is truthy; fails after ``seconds`` of true time."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < deadline, f"not within {seconds} s\n{self.all_logs()}"
            time.sleep(0.05)
        return found

    def all_logs(self) -> str:
        return "\n".join(f"--- {role}\n{self.log(role)}" for role in self.processes)

    def _move(self, by: timedelta) -> None:
        with self.connect() as connection, connection.transaction():
            connection.execute("DELETE FROM clock.shift")
            connection.execute("INSERT INTO clock.shift VALUES (make_interval(secs => %s))", [by.total_seconds()])
        unfinished = self.clock_file.with_suffix(".new")
        unfinished.write_text(str(by.total_seconds()))
        unfinished.replace(self.clock_file)
        time.sleep(0.1)  # the processes look every 20 ms


#: What must not leak from the tester's shell into the processes. ``CELERY_BROKER_URL`` may: CI runs the story on Redis.
FOREIGN = {"DATABASE_URL", "LASTGOOD_TOKEN", "LASTGOOD_URL", "HOST", "DEBUG", "ALLOWED_HOSTS"}


@contextlib.contextmanager
def installed(*, own_cluster: bool = False, env: Mapping[str, str] | None = None) -> Iterator[Workbench]:
    """A prepared installation; with ``own_cluster`` also its PostgreSQL, which the test may stop and start."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(reachable_folder())
        server = None
        if own_cluster:
            server = EmbeddedServer(folder, databases.UNSAFE_AND_FAST)
            server.start()
            stack.callback(server.stop)
            dsn: dict[str, Any] = {"dbname": "lastgood", "user": "postgres", "host": str(server.socket)}
            url = databases.socket_url("lastgood", str(server.socket))
            with psycopg.connect(**dsn, autocommit=True) as fresh:
                fresh.execute(databases.SHIFTED_CLOCK)
        else:
            name = stack.enter_context(databases.copied_database("whole"))
            dsn = {"dbname": name, **databases.parameters()}
            url = databases.url_of(name)
        workbench = Workbench(folder, url, dsn | {"options": databases.SEARCH_PATH}, env or {})
        stack.callback(workbench.http.close)
        stack.callback(workbench.stop)
        stack.enter_context(workbench.clock)
        workbench.prepare()
        workbench.postgres = server
        yield workbench
        print(workbench.all_logs())  # pytest shows it when the test has failed
