"""A small Slack: its Web API and response URLs over real HTTP, and requests signed as Slack signs them.

It keeps what a real workspace keeps (channels, messages, people, open views), refuses what Slack refuses (too many
blocks, too long a text, a trigger that has expired, an unknown channel), and can be told to misbehave::

    slack.fail("chat.update", status=429, retry_after=30)       # the next call of that method
    slack.fail("*", error="invalid_auth", times=3)
    slack.down = True                                            # nobody answers any longer
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.slack_websocket import Socket

TEAM, BOT, CHANNEL, ELSEWHERE = "T0TEAM", "U0LASTGOOD", "C0INCIDENTS", "C0ELSEWHERE"
TOKEN, SECRET, APP_TOKEN = "xoxb-test", "8f742231b10e8888abcd99yyyzzz85a5", "xapp-test"
#: Seconds that a trigger opens a view.
TRIGGER_SECONDS = 3.0


@dataclass(frozen=True)
class Call:
    """One request of ours, in the order they came."""

    method: str
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.body.get("text") or "")

    @property
    def shown(self) -> str:
        """Everything a reader could see of it."""
        return json.dumps([self.body.get("text"), self.body.get("blocks"), self.body.get("view")], ensure_ascii=False)


@dataclass
class Fault:
    """What the next calls of ``method`` get instead of an answer."""

    method: str
    times: int = 1
    status: int = 200
    error: str = ""
    retry_after: int | None = None
    after: bool = False  # done, and the answer lost
    hang: float = 0.0


@dataclass
class FakeSlack:
    """The workspace; ``calls`` is what it was asked."""

    calls: list[Call] = field(default_factory=list)
    channels: dict[str, str] = field(default_factory=lambda: {CHANNEL: "incidents"})
    members: set[str] = field(default_factory=lambda: {CHANNEL})
    messages: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    triggers: dict[str, float] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    sockets: list[Socket] = field(default_factory=list)
    down: bool = False
    port: int = 0
    _ts: int = 1_800_000_000_000_000
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # -- for tests -----------------------------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def settings(self) -> dict[str, str]:
        """What connects an installation to this Slack."""
        return {
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_SIGNING_SECRET": SECRET,
            "SLACK_APP_TOKEN": "",
            "SLACK_API_URL": self.url,
            "SLACK_CHANNEL": CHANNEL,
        }

    def fail(self, method: str, **fault: Any) -> None:
        """Let the next call of ``method`` (``*``: of any) go wrong."""
        self.faults.append(Fault(method, **fault))

    def of(self, *methods: str) -> list[Call]:
        """The calls of these methods, in order; ``response`` for response URLs."""
        return [call for call in list(self.calls) if call.method in methods]

    def whispered(self) -> Call:
        """What one person alone was told last."""
        found = self.of("response", "chat.postEphemeral")[-1]
        assert found.body.get("response_type", "ephemeral") == "ephemeral"
        return found

    def root(self, channel: str = CHANNEL) -> list[dict[str, Any]]:
        """The messages of a channel that are in no thread."""
        found = [message for (where, _), message in self.messages.items() if where == channel]
        return [message for message in found if message.get("thread_ts") in {None, message["ts"]}]

    def thread(self, ts: str) -> list[dict[str, Any]]:
        """The replies below a message."""
        return [m for m in self.messages.values() if m.get("thread_ts") == ts and m["ts"] != ts]

    def said(self, user: str = "U0MARA", text: str = "hello", channel: str = CHANNEL, **more: Any) -> dict[str, Any]:
        """Somebody writes a message."""
        with self._lock:
            message = {"type": "message", "user": user, "text": text, "ts": self._next_ts(), **more}
            self.messages[channel, message["ts"]] = message
            return message

    def trigger(self) -> str:
        """A fresh trigger, good for three seconds."""
        with self._lock:
            name = f"{len(self.triggers) + 1}.{self._next_ts()}.abcdef"
            self.triggers[name] = time.monotonic() + TRIGGER_SECONDS
            return name

    def response_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/response/{self._next_ts()}"

    # -- the API -------------------------------------------------------------------------------------------------------
    def answer(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, JSON and headers of one call."""
        with self._lock:
            self.calls.append(Call(method, body))
            fault = next((f for f in self.faults if f.method in {method, "*"}), None)
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
        if fault is not None:
            if fault.after:
                self._do(method, body)
            time.sleep(fault.hang)
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return fault.status, {"ok": False, "error": fault.error or "internal_error"}, headers
        with self._lock:
            return 200, self._do(method, body), {}

    def _do(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        work = getattr(self, "_" + method.replace(".", "_"), None)
        if work is None:
            return {"ok": False, "error": "unknown_method"}
        wrong = self._shape(body)
        if wrong:
            return {"ok": False, "error": wrong}
        done: dict[str, Any] = work(body)
        return {"ok": "error" not in done, **done}

    def _next_ts(self) -> str:
        with self._lock:
            self._ts += 100
            return f"{self._ts // 1_000_000}.{self._ts % 1_000_000:06d}"

    @staticmethod
    def _shape(body: dict[str, Any]) -> str:
        blocks = body.get("blocks") or (body.get("view") or {}).get("blocks") or []
        if len(blocks) > (100 if "view" in body else 50):
            return "invalid_blocks"
        for block in blocks:
            texts = [block.get("text"), *block.get("fields", []), *(block.get("elements") or [])]
            for part in texts:
                words = part.get("text") if isinstance(part, dict) else None
                words = words.get("text") if isinstance(words, dict) else words
                limit = 150 if block["type"] == "header" else 75 if block["type"] == "actions" else 3000
                limit = 2000 if block["type"] == "section" and part in block.get("fields", []) else limit
                if isinstance(words, str) and not 0 < len(words) <= limit:
                    return "invalid_blocks"
            if len(block.get("fields", [])) > 10 or len(block.get("elements") or []) > 25:
                return "invalid_blocks"
        return ""

    def _known(self, body: dict[str, Any]) -> str:
        channel = str(body.get("channel"))
        if channel in self.channels:
            return "" if channel in self.members else "not_in_channel"
        return "" if channel.startswith(("U", "D")) else "channel_not_found"

    def _chat_postMessage(self, body: dict[str, Any]) -> dict[str, Any]:
        if wrong := self._known(body):
            return {"error": wrong}
        if not body.get("text"):
            return {"error": "no_text"}
        ts = self._next_ts()
        message = {**body, "ts": ts, "type": "message", "user": BOT, "bot_id": "B0LASTGOOD"}
        self.messages[str(body["channel"]), ts] = message
        return {"channel": body["channel"], "ts": ts, "message": message}

    def _chat_update(self, body: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get((str(body.get("channel")), str(body.get("ts"))))
        if message is None:
            return {"error": "message_not_found"}
        message.update(body)
        return {"channel": body["channel"], "ts": body["ts"]}

    def _chat_postEphemeral(self, body: dict[str, Any]) -> dict[str, Any]:
        wrong = self._known(body) or ("" if body.get("text") else "no_text")
        return {"error": wrong} if wrong else {"message_ts": self._next_ts()}

    def _chat_getPermalink(self, body: dict[str, Any]) -> dict[str, Any]:
        if (body.get("channel"), body.get("message_ts")) not in self.messages:
            return {"error": "message_not_found"}
        return {
            "permalink": f"https://team.slack.com/archives/{body['channel']}/p{body['message_ts'].replace('.', '')}"
        }

    def _response(self, body: dict[str, Any]) -> dict[str, Any]:
        return {} if body.get("text") else {"error": "no_text"}

    def _views_open(self, body: dict[str, Any]) -> dict[str, Any]:
        good_until = self.triggers.get(str(body.get("trigger_id")))
        if good_until is None:
            return {"error": "invalid_trigger_id"}
        if good_until < time.monotonic():
            return {"error": "expired_trigger_id"}
        return {"view": {**body["view"], "id": f"V{self._next_ts()}", "hash": "h1"}}

    def _views_update(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"view": body["view"]}

    def _conversations_create(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["name"] in self.channels.values():
            return {"error": "name_taken"}
        channel = f"C0NEW{len(self.channels)}"
        self.channels[channel] = body["name"]
        self.members.add(channel)
        return {"channel": {"id": channel, "name": body["name"]}}

    def _conversations_join(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("channel") not in self.channels:
            return {"error": "channel_not_found"}
        self.members.add(body["channel"])
        return {"channel": {"id": body["channel"]}}

    def _conversations_info(self, body: dict[str, Any]) -> dict[str, Any]:
        name = self.channels.get(str(body.get("channel")))
        return {"error": "channel_not_found"} if name is None else {"channel": {"id": body["channel"], "name": name}}

    def _conversations_history(self, body: dict[str, Any]) -> dict[str, Any]:
        if wrong := self._known(body):
            return {"error": wrong}
        oldest, latest = float(body.get("oldest") or 0), float(body.get("latest") or 9e18)
        found = [m for m in self.root(str(body["channel"])) if oldest <= float(m["ts"]) <= latest]
        if str(body.get("include_all_metadata", "0")) not in {"1", "true"}:
            found = [{name: value for name, value in m.items() if name != "metadata"} for m in found]
        found.sort(key=lambda message: float(message["ts"]), reverse=True)
        return {"messages": found[: int(body.get("limit") or 100)]}

    def _conversations_replies(self, body: dict[str, Any]) -> dict[str, Any]:
        message = self.messages.get((str(body.get("channel")), str(body.get("ts"))))
        return {"error": "thread_not_found"} if message is None else {"messages": [message]}

    def _users_info(self, body: dict[str, Any]) -> dict[str, Any]:
        user = self.people.get(str(body.get("user")))
        return {"error": "user_not_found"} if user is None else {"user": {"id": body["user"], **user}}

    def _auth_test(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "team_id": TEAM,
            "team": "Example",
            "user_id": BOT,
            "user": "lastgood",
            "url": "https://team.slack.com/",
        }

    def _apps_connections_open(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"url": f"ws://127.0.0.1:{self.port}/socket"}


class Handler(BaseHTTPRequestHandler):
    """HTTP around a workspace."""

    protocol_version = "HTTP/1.1"
    slack: FakeSlack

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.slack.down:
            self.connection.close()
            self.close_connection = True
            return
        if "json" in (self.headers.get("Content-Type") or ""):
            body = json.loads(raw or "{}")
        else:
            body = {name: values[0] for name, values in parse_qs(raw).items()}
        path = urlsplit(self.path).path
        if path.startswith("/response/"):
            status, said, headers = self.slack.answer("response", {**body, "url": path})
            return self.reply(
                status if said["ok"] or status != 200 else 404, str(said.get("error", "ok")).encode(), headers
            )
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        method = path.removeprefix("/api/")
        if token not in {TOKEN, APP_TOKEN}:
            return self.reply(200, b'{"ok": false, "error": "invalid_auth"}', {})
        status, said, headers = self.slack.answer(method, body)
        return self.reply(status, json.dumps(said).encode(), headers)

    def do_GET(self) -> None:
        socket = Socket(self)
        self.slack.sockets.append(socket)
        socket.serve()

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # the caller may have run out of patience
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def fake_slack() -> Iterator[FakeSlack]:
    """A workspace that answers until the block ends."""
    slack = FakeSlack()
    handler = type("WorkspaceHandler", (Handler,), {"slack": slack})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    slack.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        for socket in slack.sockets:
            socket.close()
        server.shutdown()
        server.server_close()
        thread.join(5)
