"""The one supervisor of ``make run``: database, server, worker, clock and practice fleet, started and stopped together.

It holds no Django and no database connection, only processes, so that it can live for weeks in a few megabytes.
Every child has its own session: Ctrl-C reaches the supervisor alone, which then ends the others in order, the
database last.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO

from workbench import settings
from workbench.child import Child, say
from workbench.embedded import EmbeddedError, EmbeddedServer, make_var
from workbench.leftovers import stop_leftovers
from workbench.processes import allow_many_open_files, commands

STOP_SECONDS = 8.0
READY_SECONDS = 60.0
LOCK_FILE = "workbench.lock"
RECORD_FILE = "processes.json"


class CannotStart(RuntimeError):
    """A plain sentence: why, and what to do."""


class Supervisor:
    """``run()`` returns the exit status."""

    def __init__(self) -> None:
        self.var = Path(settings.VAR)
        self.children: list[Child] = []
        self.database = EmbeddedServer(self.var) if settings.EMBEDDED else None
        self.interrupts = 0
        self.wake = threading.Event()
        self.sign_in = ""
        self._lock: IO[str] | None = None

    # -- life --------------------------------------------------------------------------------------------------------
    def run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupted)
        try:
            self._take_lock()
            self._stop_leftovers()
            self._check_port()
            allow_many_open_files()
            self._start_database()
            if self._prepare():
                self._start_children()
                self._announce()
                self._watch()
        except (CannotStart, EmbeddedError) as reason:
            say("lastgood", str(reason))
            self._stop()
            return 1
        self._stop()
        return 0

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.interrupts += 1
        self.wake.set()
        if self.interrupts > 1:
            for child in self.children:
                child.kill()

    # -- start -------------------------------------------------------------------------------------------------------
    def _take_lock(self) -> None:
        """One supervisor per folder. The kernel frees the lock with its holder, so it is never stale."""
        make_var(self.var)
        self._lock = (self.var / LOCK_FILE).open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            self._lock, self.database = None, None  # the other one's: not ours to stop
            raise CannotStart(
                f"Lastgood already runs from {self.var} ({holder}). Stop it with Ctrl-C in its terminal, "
                "or give this one a folder and a port of its own: LASTGOOD_VAR=/some/folder PORT=8001 make run"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"process {os.getpid()}, {settings.BASE_URL}")
        self._lock.flush()

    def _stop_leftovers(self) -> None:
        """End children of a supervisor that was killed: they would hold the port and tick twice."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            recorded: dict[str, int] = json.loads((self.var / RECORD_FILE).read_text())
            for name, pid in stop_leftovers(recorded):
                say("lastgood", f"Stopped a leftover {name} (process {pid}) of a run that was killed.")

    def _check_port(self) -> None:
        host, port = settings.HOST, settings.PORT
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError) as error:
                why = {
                    98: "is taken by another program",
                    48: "is taken by another program",
                    13: "needs more rights than you have",
                }.get(getattr(error, "errno", None) or 0, f"cannot be used ({error})")
                raise CannotStart(
                    f"Port {port} on {host} {why}. Choose another: PORT={free_port(host, port)} make run"
                ) from None

    def _start_database(self) -> None:
        if self.database is not None and self.interrupts == 0:
            started = self.database.start()
            say("lastgood", f"PostgreSQL {'started' if started else 'was still running'} in {self.database.home}")

    def _prepare(self) -> bool:
        """Migrate and, once, make the first accounts and keys. False when interrupted."""
        argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), "prepare", "--json"]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        while process.poll() is None:
            self.wake.wait(0.05)
            if self.interrupts:
                process.terminate()
                process.wait()
                return False
        printed = process.stdout.read() if process.stdout else ""
        if process.returncode:
            raise CannotStart("The database could not be prepared; the lines above say why.")
        self.sign_in = json.loads(printed).get("sign_in") or ""
        return True

    def _start_children(self) -> None:
        known = commands()
        names = ["server", "worker", "clock", *(["slack"] if settings.SLACK_APP_TOKEN else [])]
        self.children = [Child(name, known[name]) for name in names]
        if settings.PRACTICE:
            self.children.append(Child("practice", known["practice"], may_finish=True))
        for child in self.children[: len(names)]:
            child.start()
        self._record()

    def _announce(self) -> None:
        """Say where the page is, once it answers."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.interrupts and not answers(settings.HOST, settings.PORT):
            server = self.children[0]
            if server.failures >= 3 or time.monotonic() > deadline:
                raise CannotStart("The server does not answer; the lines above say why.")
            self._tend()
            self.wake.wait(0.1)
        if self.interrupts:
            return
        lines = ["", f"  Lastgood is ready:  {settings.BASE_URL}"]
        if self.sign_in:
            lines.append(f"  Sign in, once:      {self.sign_in}")
        lines += [f"  Password and keys:  {self.var / 'credentials.json'}", "  Stop with Ctrl-C.", ""]
        for line in lines:
            say("", line)

    # -- run and stop ------------------------------------------------------------------------------------------------
    def _watch(self) -> None:
        next_look = time.monotonic()
        while not self.interrupts:
            self._tend()
            if self.database is not None and time.monotonic() >= next_look:
                next_look = time.monotonic() + 2
                if self.database.pid() is None:
                    say("lastgood", "PostgreSQL has ended; starting it again.")
                    try:
                        self.database.start()
                    except EmbeddedError as error:
                        say("lastgood", f"{error} Trying again.")
                        next_look = time.monotonic() + 10
            self.wake.wait(0.25)

    def _tend(self) -> None:
        started = [child for child in self.children if child.tend()]
        if started:
            self._record()

    def _record(self) -> None:
        """Note which processes are ours, for a start after this supervisor was killed, be it while writing this."""
        path = self.var / RECORD_FILE
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({child.name: child.pid for child in self.children if child.pid}))
        fresh.replace(path)

    def _stop(self) -> None:
        if self.interrupts:
            say("lastgood", "Stopping. Ctrl-C once more ends everything at once.")
        for child in self.children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.running for child in self.children) and time.monotonic() < deadline:
            time.sleep(0.05)
        for child in self.children:
            child.kill()  # also what a child left behind in its group
        if self.database is not None:
            try:
                self.database.stop()
            except EmbeddedError as error:
                say("lastgood", str(error))
        if self._lock is not None:
            (self.var / RECORD_FILE).unlink(missing_ok=True)
            self._lock.truncate(0)
            self._lock.close()
        if self.interrupts:
            say("lastgood", "Stopped.")


def answers(host: str, port: int) -> bool:
    """Whether ``/healthz`` says 200."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reachable, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port(host: str, taken: int) -> int:
    """A port near the taken one that could be had just now."""
    for port in range(max(taken, 1023) + 1, min(max(taken, 1023) + 100, 65536)):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, port))
            return port
    return 8080


if __name__ == "__main__":
    sys.exit(Supervisor().run())
