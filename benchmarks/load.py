"""A load process of our own: keep-alive connections that send prepared POSTs and time the answers."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from itertools import count
from pathlib import Path
from typing import cast


class Sender(asyncio.Protocol):
    """One connection: sends the next body as soon as the last was answered, until the time is up."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        if time.perf_counter() >= self.load.until:
            self.transport.close()
            return
        self.sent_at = time.perf_counter()
        self.transport.write(self.load.requests[next(self.load.number) % len(self.load.requests)])

    def data_received(self, data: bytes) -> None:
        self.got += data
        head, found, body = self.got.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.load.statuses[int(head[9:12])] += 1
        self.load.milliseconds.append((time.perf_counter() - self.sent_at) * 1000)
        self.got = b""
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.closed()


class Load:
    """``connections`` senders for ``seconds``."""

    def __init__(self, requests: list[bytes], connections: int, seconds: float) -> None:
        self.requests, self.connections, self.seconds = requests, connections, seconds
        self.number = count()
        self.statuses: Counter[int] = Counter()
        self.milliseconds: list[float] = []

    def closed(self) -> None:
        self.open -= 1
        if not self.open:
            self.done.set_result(None)

    async def run(self, port: int) -> float:
        """How many seconds it took."""
        loop = asyncio.get_running_loop()
        self.done = loop.create_future()
        self.open = self.connections
        began = time.perf_counter()
        self.until = began + self.seconds
        for _ in range(self.connections):
            await loop.create_connection(lambda: Sender(self), "127.0.0.1", port)
        await self.done
        return time.perf_counter() - began


def main(port: int, path: str, bodies: Path, connections: int, seconds: float, header: str = "") -> None:
    """Print ``{"seconds", "statuses", "milliseconds"}``. ``header`` is one more header line."""
    import uvloop

    more = f"{header}\r\n" if header else ""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\n{more}Content-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies.read_bytes().splitlines()]
    load = Load(requests, connections, seconds)
    took = uvloop.run(load.run(port))
    json.dump({"seconds": took, "statuses": load.statuses, "milliseconds": sorted(load.milliseconds)}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), *sys.argv[6:])
