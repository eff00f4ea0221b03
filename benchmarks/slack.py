"""Fifty people type a command at the same moment: how long until Slack has its answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from benchmarks import stand

AT_ONCE = 50
ROUNDS = 20
SECRET = "only-for-benchmarks"
PATH = "/slack/commands"
_numbers = count(1)


def main() -> list[dict[str, object]]:
    """One row: the door, beside a door that checks the same signature and does nothing."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(connected())
        url = stack.enter_context(stand.database())
        ours = stack.enter_context(stand.server(url))
        floor = stack.enter_context(stand.server(url, "benchmarks.bare_signed:application"))
        for port in (ours, floor):
            crowd(port)  # the first is not measured: threads and connections begin
        taken, bare = [], []
        for _ in range(ROUNDS):  # in turns, so that a busy machine disturbs both
            taken += crowd(ours)
            bare += crowd(floor)
    return [
        {
            "name": f"slack: command → acknowledged, {AT_ONCE} at once",
            "value": words(taken),
            "beside": f"signed POST that does nothing: {words(bare)}",
            "ratio": round(at(taken, 0.5) / at(bare, 0.5), 1),
            "aim": "p99 ≤ 1000 ms",
        }
    ]


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """As if a workspace were connected, whose API nobody asks."""
    ours = {"SLACK_SIGNING_SECRET": SECRET, "SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": "", "SLACK_CHANNEL": ""}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def crowd(port: int) -> list[float]:
    """Milliseconds that each of the crowd waited."""
    return asyncio.run(_crowd(port))


async def _crowd(port: int) -> list[float]:
    go = asyncio.Event()
    requests = [command() for _ in range(AT_ONCE)]
    waiting = [asyncio.create_task(_ask(port, request, go)) for request in requests]
    await asyncio.sleep(0.3)  # everybody is connected
    go.set()
    return list(await asyncio.gather(*waiting))


async def _ask(port: int, request: bytes, go: asyncio.Event) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await go.wait()
    began = time.perf_counter()
    writer.write(request)
    status = await reader.readline()
    took = (time.perf_counter() - began) * 1000
    writer.close()
    if b" 200 " not in status:
        raise RuntimeError(f"answered {status!r}")
    return took


def command() -> bytes:
    """A signed request of its own."""
    number = next(_numbers)
    fields = {
        "team_id": "T0BENCH",
        "channel_id": "C0BENCH",
        "user_id": f"U{number % AT_ONCE}",
        "user_name": "bench",
        "command": "/incident",
        "text": "status",
        "response_url": "https://hooks.slack.com/commands/bench",
        "trigger_id": f"{os.getpid()}.{number}",
    }
    body, stamp = urlencode(fields).encode(), str(int(time.time()))
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=stamp, body=body)
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Slack-Request-Timestamp: {stamp}\r\nX-Slack-Signature: {signature}\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def at(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def words(times: list[float]) -> str:
    return f"p50 {at(times, 0.5):.0f} ms, p99 {at(times, 0.99):.0f}, max {max(times):.0f}"


if __name__ == "__main__":
    for line in main():
        print(line)
