"""Resident memory of everything that ``make run`` starts, idle and after ten thousand requests.

Pages that processes share are counted once (PSS); RSS, which counts them in every process, is given beside it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.stand import ROOT, free_port

SETTLE_SECONDS = 12
REQUESTS = 10_000
CONNECTIONS = 8
PATHS = ("/healthz", "/accounts/login/", "/ofrep/v1/evaluate/flags/nothing", "/api/v1/deployments")


def measure(root: int) -> dict[str, tuple[float, float]]:
    """Kind of process → (PSS, RSS) in MB, over ``root`` and all that descends from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found: dict[str, tuple[float, float]] = {}
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        numbers = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in rollup.splitlines()[1:] if "kB" in line}
        pss, rss = found.get(kind(command), (0.0, 0.0))
        found[kind(command)] = (pss + numbers["Pss"], rss + numbers["Rss"])
    return found


def kind(command: str) -> str:
    words = {
        "granian": "server",
        " beat ": "clock",
        "celery": "worker",
        "practice": "practice",
        "supervisor": "supervisor",
    }
    if command.startswith("postgres:") or "/postgres " in command:
        return "PostgreSQL"
    return next((name for word, name in words.items() if word in command), "other")


async def ask(port: int, number: int) -> None:
    """One connection's share of the requests, kept alive where the server does."""
    for turn in range(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = PATHS[turn % len(PATHS)]
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        await reader.read()
        writer.close()


async def ask_all(port: int) -> None:
    await asyncio.gather(*(ask(port, REQUESTS // CONNECTIONS) for _ in range(CONNECTIONS)))


def total(found: dict[str, tuple[float, float]]) -> tuple[float, float]:
    return sum(pss for pss, _ in found.values()), sum(rss for _, rss in found.values())


def row(name: str, found: tuple[float, float], aim: str = "") -> dict[str, Any]:
    return {"name": name, "value": f"{found[0]:.0f} MB", "beside": f"RSS {found[1]:.0f} MB", "ratio": None, "aim": aim}


def main() -> list[dict[str, Any]]:
    """One row per kind of process, then all, then the server's growth."""
    with tempfile.TemporaryDirectory(prefix="lastgood-bench-") as folder:
        Path(folder).chmod(0o755)
        port = free_port()
        ours = {"LASTGOOD_VAR": f"{folder}/var", "PORT": str(port), "DJANGO_SETTINGS_MODULE": "workbench.settings"}
        kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}}
        run = subprocess.Popen(
            [sys.executable, "-m", "workbench.supervisor"],
            cwd=ROOT,
            env=kept | ours,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert run.stdout
            for line in run.stdout:
                if "Lastgood is ready" in line:
                    break
            else:
                raise RuntimeError("make run did not become ready")
            time.sleep(SETTLE_SECONDS)
            idle = measure(run.pid)
            asyncio.run(ask_all(port))  # the first round fills pools and caches
            warm = measure(run.pid)["server"]
            asyncio.run(ask_all(port))
            after = measure(run.pid)["server"]
        finally:
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=20)
    rows = [row(f"memory, idle: {name}", found) for name, found in sorted(idle.items())]
    rows.append(row("memory, idle: all of `make run`", total(idle), "≤ 700 MB"))
    grown = (after[0] - warm[0], after[1] - warm[1])
    rows.append(row(f"memory, growth of the server over {REQUESTS:,} requests", grown, "none"))
    return rows


if __name__ == "__main__":
    for found in main():
        print(found)
