"""Single evaluations per second by a resolver process alone, beside a bare answer on the same server.

The bare answer reads the same request body, because reading it costs an ASGI application half of what it can do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import stand

CONNECTIONS = 32
#: Many short turns, so that both meet the same disturbances of the machine.
SECONDS = 0.8
ROUNDS = 8
INSTANCES = 64


def main() -> list[dict[str, Any]]:
    """Bare and ours by turns: the median of each, and the median of the ratios of neighbouring turns."""
    with tempfile.TemporaryDirectory() as folder, stand.database() as url:
        contexts = [
            json.dumps({"context": {"targetingKey": f"user-{number}", "instance": f"i-{number}", "region": "eu"}})
            for number in range(INSTANCES)
        ]
        bodies = Path(folder) / "bodies"
        bodies.write_text("\n".join(contexts))
        presses = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.presses"],
            cwd=stand.ROOT,
            env=stand.environment(url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert presses.stdout is not None
        key = json.loads(presses.stdout.readline())["key"]
        presses.communicate(timeout=10)
        with (
            stand.server(url, "benchmarks.bare:application") as bare,
            stand.server(url, "workbench.resolver_asgi:application") as ours,
        ):
            rounds = [(load(bare, key, bodies), load(ours, key, bodies)) for _ in range(ROUNDS)]
    floor, found = ([pair[side] for pair in rounds] for side in (0, 1))
    ratio = median(mine["rate"] / theirs["rate"] for theirs, mine in rounds)
    return [
        {
            "name": "resolve: OFREP single evaluation, resolver alone",
            "value": speed(found),
            "beside": f"bare ASGI answer that reads the same body: {speed(floor)}",
            "ratio": round(ratio, 2),
            "aim": "≥ 0.7",
        }
    ]


def load(port: int, key: str, bodies: Path) -> dict[str, Any]:
    """One run of the load process: answers per second, p99 and p50 in milliseconds."""
    arguments = [str(port), "/ofrep/v1/evaluate/flags/bench", str(bodies), str(CONNECTIONS), str(SECONDS)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *arguments, f"X-API-Key: {key}"],
        cwd=stand.ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    if set(found["statuses"]) != {"200"}:
        raise RuntimeError(f"Not all were answered: {found['statuses']}")
    times = found["milliseconds"]
    return {"rate": len(times) / found["seconds"], "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}


def speed(runs: list[dict[str, Any]]) -> str:
    """Answers per second and p99, medians of the rounds."""
    return f"{median(run['rate'] for run in runs):,.0f}/s, p99 {median(run['p99'] for run in runs):.1f} ms"


if __name__ == "__main__":
    for line in main():
        print(line)
