"""From the decision to roll back until it is committed, seen by stream clients, and seen by polling clients."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import Any

from benchmarks import stand

STREAMS = 200
POLLERS = 200
POLL_SECONDS = 2.0
#: Flips that pollers are waited for, then flips in quick succession for the streams alone.
SLOW_FLIPS, QUICK_FLIPS = 4, 30
QUICK_SECONDS = 0.1


def main() -> list[dict[str, Any]]:
    """One row per who saw it, in milliseconds since the decision."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(stand.database())
        presses = process(url, "presses")
        key = json.loads(line_of(presses))["key"]
        port = stack.enter_context(stand.server(url, "workbench.resolver_asgi:application"))
        fleet = process(url, "fleet", str(port), key, str(STREAMS), str(POLLERS), str(POLL_SECONDS))
        if line_of(fleet) != "ready":
            raise RuntimeError("The fleet did not start.")
        slow = [press(presses, POLL_SECONDS + 0.3) for _ in range(SLOW_FLIPS)]
        quick = [press(presses, QUICK_SECONDS) for _ in range(QUICK_FLIPS)]
        time.sleep(0.5)
        seen = json.loads(fleet.communicate(timeout=30)[0])
        presses.communicate(timeout=10)
    flips = slow + quick
    told = delays(flips, seen["streams"], "decided")
    last = [[max(each)] for each in delays(flips, seen["streams"], "committed") if each]
    return [
        row("decision → committed", [[1000 * (flip["committed"] - flip["decided"])] for flip in flips], 1),
        row(f"decision → seen by {STREAMS} stream clients", told, STREAMS),
        row("commit → seen by the last stream client", last, 1, "p99 ≤ 100 ms"),
        row(
            f"decision → seen by {POLLERS} pollers, every {POLL_SECONDS:.0f} s", delays(slow, seen["pollers"]), POLLERS
        ),
    ]


def process(url: str, module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=stand.ROOT,
        env=stand.environment(url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def press(presses: subprocess.Popen[str], rest: float) -> dict[str, Any]:
    """One flip, and ``rest`` seconds for it to be seen."""
    assert presses.stdin is not None
    presses.stdin.write("\n")
    presses.stdin.flush()
    flip: dict[str, Any] = json.loads(line_of(presses))
    time.sleep(rest)
    return flip


def delays(flips: list[dict[str, Any]], seen: dict[str, list[float]], since: str = "decided") -> list[list[float]]:
    """Per flip, each client's milliseconds since the decision or the commit."""
    return [[1000 * (at - flip[since]) for at in seen.get(str(flip["epoch"]), [])] for flip in flips]


def row(name: str, per_flip: list[list[float]], expected: int, aim: str = "") -> dict[str, Any]:
    times = sorted(value for values in per_flip for value in values)
    missed = sum(expected - len(values) for values in per_flip)

    def at(share: float) -> str:
        return f"{times[min(len(times) - 1, int(len(times) * share))]:.0f}" if times else "–"

    return {
        "name": f"rollback: {name}",
        "value": f"p50 {at(0.5)} ms, p95 {at(0.95)}, p99 {at(0.99)}, max {at(1)}",
        "beside": f"{len(per_flip)} flips, {missed} missed",
        "ratio": None,
        "aim": aim,
    }


if __name__ == "__main__":
    for line in main():
        print(line)
