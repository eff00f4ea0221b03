"""Ending what a killed supervisor left running, and nothing else: a number alone never names a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TERM_SECONDS = 4.0


def stop_leftovers(recorded: dict[str, int]) -> list[tuple[str, int]]:
    """Stop those recorded groups (name → group number) whose members run our Python; returns them."""
    ours = {
        name: group
        for name, group in recorded.items()
        if any(sys.executable in command for _, command in members(group))
    }
    for group in ours.values():
        signal_group(group, signal.SIGTERM)
    deadline = time.monotonic() + TERM_SECONDS
    while any(members(group) for group in ours.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for group in ours.values():
        signal_group(group, signal.SIGKILL)
    while any(members(group) for group in ours.values()) and time.monotonic() < deadline + 2:
        time.sleep(0.05)
    return sorted(ours.items())


def signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def members(group: int) -> list[tuple[int, str]]:
    """(process number, command line) of every living member of a process group."""
    proc = Path("/proc")
    if not (proc / "self/stat").exists():
        return members_by_ps(group)
    found = []
    for folder in proc.glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            # pid (name, may hold anything) state parent group …
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append((int(folder.name), command))
    return found


def members_by_ps(group: int) -> list[tuple[int, str]]:
    """The same where there is no /proc."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,args="], capture_output=True, text=True, check=False).stdout
    rows = (line.split(None, 2) for line in listed.splitlines())
    return [(int(row[0]), row[2]) for row in rows if len(row) == 3 and row[1] == str(group)]
