"""Somebody else's webhook and mail server, on loopback: they speak real HTTP and SMTP and misbehave on request."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook: what it was sent, and how it answers; ``trickle`` seconds pass between the bytes of its answer."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"thanks"
    trickle: float = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?team=ai"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


def verified(secret: str, headers: dict[str, str], body: bytes, *, now: float | None = None) -> Any:
    """What a receiver does by the text of Standard Webhooks: the event, or AssertionError."""
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, said, hashlib.sha256).digest()).decode()
    offered = [part.split(",", 1) for part in headers["webhook-signature"].split(" ")]
    assert any(version == "v1" and hmac.compare_digest(sign, expected) for version, sign in offered)
    assert abs((now or time.time()) - int(headers["webhook-timestamp"])) < 300
    return json.loads(body)


@contextmanager
def listening(**answers: Any) -> Iterator[Hook]:
    """A webhook on a port of its own."""
    hook = Hook(**answers)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hook.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if hook.trickle:
                answer = f"HTTP/1.1 {hook.status} OK\r\n".encode() + b"X-Slow: " + b"." * 200
                for sign in answer:
                    if over.wait(hook.trickle):
                        return
                    try:
                        self.wfile.write(bytes([sign]))
                    except OSError:
                        return
            self.send_response(hook.status)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # whoever asked may have heard enough
                self.wfile.write(hook.body)

        def log_message(self, *said: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass
class MailServer:
    """An SMTP server: the mails it took; ``refuse`` is its answer to RCPT instead of 250."""

    port: int = 0
    refuse: str = ""
    mails: list[str] = field(default_factory=list)


@contextmanager
def mail_server(refuse: str = "") -> Iterator[MailServer]:
    """Speaks as much SMTP as smtplib needs."""
    state = MailServer(refuse=refuse)

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 mail.example")
            while line := self.rfile.readline():
                match line.decode().upper().split()[:1]:
                    case ["DATA"]:
                        self.say("354 go on")
                        said = []
                        while (text := self.rfile.readline()) != b".\r\n":
                            said.append(text.decode())
                        state.mails.append("".join(said))
                        self.say("250 taken")
                    case ["RCPT"] if state.refuse:
                        self.say(state.refuse)
                    case ["QUIT"]:
                        self.say("221 bye")
                        return
                    case _:
                        self.say("250 fine")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    server = Server(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
