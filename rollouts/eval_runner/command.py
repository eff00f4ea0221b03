"""One eval command as a process group: started, read within limits, ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rollouts.eval_runner import guard

GUARD = str(Path(guard.__file__).resolve())
CHUNK = 64 * 1024
TAIL = 64 * 1024  # bytes kept of the end of what it printed
DRAIN = 1.0  # seconds for what stands in the pipes after its end; others may hold them open for ever


@dataclass(frozen=True, slots=True)
class Limits:
    """How long it may run and how much it may say before it is ended."""

    seconds: float
    lines: int = 200_000
    bytes: int = 64 * 1024 * 1024
    line_bytes: int = 256 * 1024


class Command:
    """``argv`` below its guard, with nothing of the worker's environment but ``env``.

    Call :meth:`poll` until ``ended``; ``why`` is a sentence when it was ended for a limit. Always :meth:`kill` last.
    """

    def __init__(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, limits: Limits) -> None:
        self.limits = limits
        self.too_long = 0  # lines dropped because nobody writes a result that long
        self.why = ""
        self._tail = bytearray()
        self._line = bytearray()
        self._dropping = False
        self.said = 0  # bytes
        self._lines = 0
        self._began = time.monotonic()
        self._over_at: float | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-I", GUARD, *argv],
            stdin=subprocess.PIPE,  # never written to; its end tells the guard that this process is gone
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
        self._selector = selectors.DefaultSelector()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ)

    @property
    def tail(self) -> bytes:
        """The end of what it printed, both streams as they came."""
        return bytes(self._tail)

    @property
    def ended(self) -> bool:
        """It is over and all it said has been read, or it was ended for a limit."""
        if self.why or not self._selector.get_map():
            return bool(self.why) or self._is_over()
        if not self._is_over():
            return False
        self._over_at = self._over_at or time.monotonic()
        return time.monotonic() - self._over_at > DRAIN

    @property
    def meaning(self) -> str:
        """How it ended, in words; call it after :meth:`kill`."""
        code = self._process.returncode or 0
        number = -code if code < 0 else code - 128
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(number).name}"
        return f"ended with exit status {code}"

    @property
    def failed(self) -> bool:
        return bool(self._process.returncode)

    def poll(self, seconds: float) -> list[bytes]:
        """Whole lines of standard output that arrive within ``seconds``; standard error only goes to the tail."""
        found: list[bytes] = []
        for key, _ in self._selector.select(seconds):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            try:
                chunk = os.read(pipe.fileno(), CHUNK)
            except BlockingIOError:
                continue
            if not chunk:
                self._selector.unregister(pipe)
                if pipe is self._process.stdout and self._line:
                    found += self._take(b"\n")
                continue
            self.said += len(chunk)
            self._tail += chunk
            del self._tail[:-TAIL]
            if pipe is self._process.stdout:
                found += self._take(chunk)
        if not self._selector.get_map() and not self._is_over():
            time.sleep(min(seconds, 0.1))  # it closed both streams and lives on
        self._check_limits()
        return found

    def kill(self) -> None:
        """End the whole group: asked first, killed after a moment. Does nothing when all of it is gone."""
        if self._process.returncode is None:
            if not self._is_over():
                self._signal(signal.SIGTERM)
                deadline = time.monotonic() + guard.GRACE
                while time.monotonic() < deadline and not self._is_over():
                    time.sleep(0.02)
            # Its leader is not reaped yet, so the group's number cannot be anybody else's.
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _take(self, chunk: bytes) -> list[bytes]:
        *whole, rest = chunk.split(b"\n")
        found = []
        for part in whole:
            self._lines += 1
            if not self._dropping and len(self._line) + len(part) <= self.limits.line_bytes:
                found.append(bytes(self._line) + part)
            else:
                self.too_long += 1
            self._line.clear()
            self._dropping = False
        if self._dropping or len(self._line) + len(rest) > self.limits.line_bytes:
            self._dropping = True
            self._line.clear()
        else:
            self._line += rest
        return found

    def _check_limits(self) -> None:
        if time.monotonic() - self._began > self.limits.seconds:
            self.why = f"The runner was ended after {self.limits.seconds:g} s, its time limit (EVAL_TIME_LIMIT)."
        elif self._lines > self.limits.lines:
            self.why = f"The runner was ended: it printed more than {self.limits.lines:,} lines."
        elif self.said > self.limits.bytes:
            self.why = f"The runner was ended: it printed more than {self.limits.bytes:,} bytes."

    def _is_over(self) -> bool:
        """Whether the guard has ended, without reaping it."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
