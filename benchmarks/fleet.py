"""Run as a process of its own: stream clients and polling clients that write down when they saw which epoch.

``python -m benchmarks.fleet <port> <resolver key> <streams> <pollers> <poll seconds>`` prints ``ready``, runs until
its input ends, then prints ``{"streams": {epoch: [Unix time, …]}, "pollers": {epoch: [Unix time, …]}}``.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict

EPOCH = re.compile(rb'"epoch":([0-9]+)}')
ETAG = re.compile(rb"\r\netag: ([^\r]+)", re.IGNORECASE)

type Seen = dict[int, list[float]]


async def follow_stream(port: int, key: str, seen: Seen) -> None:
    """Note each epoch an event tells."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /api/stream HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n\r\n".encode())
    while line := await reader.readline():
        if line.startswith(b"data:") and (found := EPOCH.search(line)):
            seen[int(found[1])].append(time.time())


async def poll(port: int, key: str, name: str, seen: Seen, seconds: float, delay: float) -> None:
    """Ask for all flags every ``seconds``, with the ETag of the last answer; note each new epoch."""
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"context": {"instance": name, "bundle": "bench"}})
    etag = b""
    last = 0
    while True:
        conditional = b"If-None-Match: " + etag + b"\r\n" if etag else b""
        writer.write(
            f"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n".encode()
            + conditional
            + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"\r\ncontent-length: ([0-9]+)", head, re.IGNORECASE):
            content = await reader.readexactly(int(length[1]))
            found = EPOCH.findall(content)
            if found and int(found[-1]) != last:
                last = int(found[-1])
                seen[last].append(time.time())
        if given := ETAG.search(head):
            etag = given[1]
        await asyncio.sleep(seconds)


async def run(port: int, key: str, streams: int, pollers: int, seconds: float) -> None:
    told: Seen = defaultdict(list)
    fetched: Seen = defaultdict(list)
    tasks = [asyncio.create_task(follow_stream(port, key, told)) for _ in range(streams)]
    tasks += [
        asyncio.create_task(poll(port, key, f"poller-{number}", fetched, seconds, seconds * number / pollers))
        for number in range(pollers)
    ]
    everybody = {"streams": (told, streams), "pollers": (fetched, pollers)}
    while any(sum(map(len, seen.values())) < count for seen, count in everybody.values()):
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(json.dumps({name: seen for name, (seen, _) in everybody.items()}))


if __name__ == "__main__":
    import uvloop

    uvloop.run(run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
