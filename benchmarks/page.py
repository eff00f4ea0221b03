"""The room of an incident with 5 000 timeline entries: queries, and time to first byte over the real server."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from typing import Any

from benchmarks.stand import ROOT, database, environment, server

REQUESTS = 150


def main() -> list[dict[str, Any]]:
    """One row per step, and one for a page without content as the floor in the same run."""
    with database() as url:
        seeded = subprocess.run(
            [sys.executable, "-m", "benchmarks.room"],
            cwd=ROOT,
            env=environment(url),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        room = json.loads(seeded.stdout.splitlines()[-1])
        with server(url) as port:
            floor = first_bytes(port, "/settings/", room["session"])
            return [
                row(step, room["queries"][step], first_bytes(port, path, room["session"]), floor)
                for step, path in room["paths"].items()
            ]


def first_bytes(port: int, path: str, session: str) -> list[float]:
    """Milliseconds from sending each request to the first byte of its answer, one after the other, sorted."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    found = []
    for turn in range(REQUESTS + 10):
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": f"sessionid={session}"})
        answer = connection.getresponse()
        if turn >= 10:  # the first fill caches and pools
            found.append((time.perf_counter() - began) * 1000)
        answer.read()
        if answer.status not in {200, 302}:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
    return sorted(found)


def p95(found: list[float]) -> float:
    return found[int(len(found) * 0.95)]


def row(step: str, queries: int, found: list[float], floor: list[float]) -> dict[str, Any]:
    middle = found[len(found) // 2]
    return {
        "name": f"page: {step} of a room with 5 000 entries, first byte",
        "value": f"p95 {p95(found):.0f} ms (p50 {middle:.0f}), {queries} queries",
        "beside": f"a redirect behind sign-in: p95 {p95(floor):.0f} ms",
        "ratio": round(p95(found) / p95(floor), 1),
        "aim": "≤ 200 ms, ≤ 15 queries",
    }


if __name__ == "__main__":
    for measured in main():
        print(measured)
