"""One process under the supervisor: its lines get its name, and when it dies it comes back, later each time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

STEADY_SECONDS = 30.0  # a process that ran this long has not failed at starting
LONGEST_WAIT = 30.0
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "workbench.settings",
    "MALLOC_ARENA_MAX": "2",  # else glibc keeps an arena per thread
}
_writing = threading.Lock()


def say(name: str, line: str) -> None:
    """Print a line of ``name``; a reader that has gone away must not stop the supervisor."""
    with _writing, contextlib.suppress(OSError, ValueError):
        print(f"{name:<9}│ {line}" if name else line, flush=True)


class Child:
    """Started in a session of its own, so that its whole group can be ended. ``may_finish``: ending with 0 is fine."""

    def __init__(self, name: str, argv: list[str], *, may_finish: bool = False) -> None:
        self.name = name
        self.argv = argv
        self.may_finish = may_finish
        self.failures = 0
        self._process: subprocess.Popen[str] | None = None
        self._began = 0.0
        self._due = 0.0
        self._finished = False
        self._pump: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=ENVIRONMENT | os.environ | {"PYTHONUNBUFFERED": "1", "PGAPPNAME": f"lastgood {self.name}"},
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._pass_on, args=[self._process], daemon=True)
        self._pump.start()

    def tend(self) -> bool:
        """Start it, or start it again when it died and its wait is over. True when it was started now."""
        if self.running or self._finished:
            return False
        if self._process is not None and self._due == 0:
            code = self._process.returncode
            if code == 0 and self.may_finish:
                self._finished = True
                return False
            steady = time.monotonic() - self._began > STEADY_SECONDS
            self.failures = 1 if steady else self.failures + 1
            wait = min(2.0 ** (self.failures - 1) * 0.5, LONGEST_WAIT)
            self._due = time.monotonic() + wait
            say("lastgood", f"The {self.name} ended ({meaning(code)}); starting it again in {wait:g} s.")
        if time.monotonic() < self._due:
            return False
        self.kill()  # what the dead one left in its group would hold the port
        self._due = 0.0
        self.start()
        return True

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself; it ends its own children."""
        self._finished = True
        if self._process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group, whoever of it is left."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            say(self.name, line.rstrip("\n"))


def meaning(code: int) -> str:
    """An exit status in words."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"
