"""Other people's systems that connectors reach, on loopback: a Langfuse and a Redis, small as their protocols allow."""

from __future__ import annotations

import base64
import json
import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote


@dataclass
class Langfuse:
    """One prompt's labels by version, the keys it knows, and what it was asked; ``fail`` answers so many times 500."""

    port: int = 0
    keys: str = "pk-lf-1:sk-lf-1"
    name: str = "customer-service"
    versions: dict[int, list[str]] = field(default_factory=lambda: {1: [], 2: ["production"]})
    fail: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def langfuse(**state: Any) -> Iterator[Langfuse]:
    """Answers GET and PATCH of /api/public/v2/prompts as INTEROP §2 describes."""
    world = Langfuse(**state)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(None)

        def do_PATCH(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0)))))

        def answer(self, body: Any) -> None:
            world.asked.append((self.command, self.path))
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            if base64.b64decode(given).decode() != world.keys:
                return self.say(401, {"message": "Invalid credentials"})
            if world.fail:
                world.fail -= 1
                return self.say(500, {"message": "Internal error"})
            path, _, query = self.path.partition("?")
            name, _, version = path.removeprefix("/api/public/v2/prompts").strip("/").partition("/versions/")
            if not name:
                return self.say(200, {"data": [{"name": world.name}], "meta": {}})
            if unquote(name) != world.name:
                return self.say(404, {"message": "Prompt not found", "error": "LangfuseNotFoundError"})
            if body is None:
                label = parse_qs(query).get("label", ["production"])[0]
                found = next((number for number, labels in world.versions.items() if label in labels), None)
                return self.say(200, {"version": found}) if found else self.say(404, {"message": "Prompt not found"})
            number = int(version)
            if number not in world.versions:
                return self.say(404, {"message": "Prompt not found", "error": "LangfuseNotFoundError"})
            for labels in world.versions.values():
                labels[:] = [label for label in labels if label not in body["newLabels"]]
            world.versions[number] += body["newLabels"]
            return self.say(200, {"version": number, "labels": world.versions[number]})

        def say(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *said: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world.port = server.server_address[1]
    with _serving(server):
        yield world


@dataclass
class Redis:
    """Keys, the password it asks for, and how long each UNLINK takes; ``hang`` answers nothing any more."""

    port: int = 0
    keys: set[str] = field(default_factory=set)
    password: str = ""
    slow: float = 0
    hang: bool = False
    unlinks: list[int] = field(default_factory=list)


@contextmanager
def redis(**state: Any) -> Iterator[Redis]:
    """Speaks as much RESP2 as SCAN and UNLINK need. A cursor is a place in the sorted keys, as they were at first."""
    world = Redis(**state)
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            known, snapshot = not world.password, sorted(world.keys)
            while (asked := self.read()) is not None:
                verb = asked[0].upper()
                if world.hang:
                    over.wait(60)
                    return
                if verb == "AUTH":
                    known = asked[-1] == world.password
                    self.say("+OK" if known else "-WRONGPASS invalid username-password pair")
                elif verb in {"CLIENT", "SELECT"}:
                    self.say("+OK")
                elif not known:
                    self.say("-NOAUTH Authentication required.")
                elif verb == "PING":
                    self.say("+PONG")
                elif verb == "DBSIZE":
                    self.say(f":{len(world.keys)}")
                elif verb == "SCAN":
                    start = int(asked[1])
                    snapshot = sorted(world.keys) if start == 0 else snapshot
                    count, match = int(asked[asked.index("COUNT") + 1]), asked[asked.index("MATCH") + 1]
                    page = snapshot[start : start + count]
                    after = start + count if start + count < len(snapshot) else 0
                    found = [key for key in page if glob(match).fullmatch(key)]
                    self.say(
                        f"*2\r\n{bulk(str(after))}\r\n*{len(found)}" + "".join(f"\r\n{bulk(key)}" for key in found)
                    )
                elif verb == "UNLINK":
                    time.sleep(world.slow)
                    gone = world.keys & set(asked[1:])
                    world.keys -= gone
                    world.unlinks.append(len(asked) - 1)
                    self.say(f":{len(gone)}")
                else:
                    self.say(f"-ERR unknown command '{asked[0]}'")

        def read(self) -> list[str] | None:
            head = self.rfile.readline()
            if not head:
                return None
            parts = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                parts.append(self.rfile.read(size + 2)[:-2].decode())
            return parts

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, *said: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    world.port = server.server_address[1]
    try:
        with _serving(server):
            yield world
    finally:
        over.set()


def bulk(text: str) -> str:
    return f"${len(text.encode())}\r\n{text}"


def glob(pattern: str) -> re.Pattern[str]:
    """A pattern of Redis: * and ? as everywhere, a backslash before a sign that means itself."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    means = {"*": ".*", "?": "."}
    return re.compile("".join(means.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
