"""The quarterly review of 1 000 postmortems beside one of ten: queries, and time to first byte over the real server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.page import first_bytes, p95
from benchmarks.stand import ROOT, database, environment, server

MANY, FEW = 1_000, 10


def main() -> list[dict[str, Any]]:
    """One row: the same page, a hundred times as many postmortems."""
    (many, queries), (few, _) = measure(MANY), measure(FEW)
    return [
        {
            "name": f"review: a quarter of {MANY} postmortems, first byte",
            "value": f"p95 {p95(many):.0f} ms (p50 {many[len(many) // 2]:.0f}), {queries} queries",
            "beside": f"a quarter of {FEW}: p95 {p95(few):.0f} ms",
            "ratio": round(p95(many) / p95(few), 1),
            "aim": "≤ 200 ms",
        }
    ]


def measure(count: int) -> tuple[list[float], int]:
    """First bytes of the page with ``count`` postmortems, and its queries."""
    with database() as url:
        seeded = subprocess.run(
            [sys.executable, "-m", "benchmarks.quarter", str(count)],
            cwd=ROOT,
            env=environment(url),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        known = json.loads(seeded.stdout.splitlines()[-1])
        with server(url) as port:
            return first_bytes(port, "/review/", known["session"]), known["queries"]


if __name__ == "__main__":
    for measured in main():
        print(measured)
