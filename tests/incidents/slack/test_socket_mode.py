"""Slack by Socket Mode: slack_sdk's own client, a WebSocket, and the same doors inside."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import override_settings

from incidents.models import SlackDelivery
from incidents.slack import socket_mode
from tests.factories.incidents import someone
from tests.fake_slack import APP_TOKEN, FakeSlack
from tests.slack_requests import command, linked, pinned
from tests.slack_websocket import Socket

pytestmark = pytest.mark.django_db(transaction=True)


def eventually[T](found: Callable[[], T], within: float = 10) -> T:
    """What ``found`` answers once it is true."""
    end = time.monotonic() + within
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


@pytest.fixture
def socket(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Socket]:
    """A connection that stands, as Slack holds it."""
    monkeypatch.setattr("incidents.notifications.hint._start", lambda task: None)
    stop = threading.Event()
    with override_settings(SLACK_APP_TOKEN=APP_TOKEN):
        thread = threading.Thread(target=socket_mode.run, args=[stop])
        thread.start()
        try:
            yield eventually(lambda: slack.sockets)[0]
        finally:
            stop.set()
            thread.join(10)
            connection.close()
    assert not thread.is_alive()


def envelope(kind: str, payload: dict[str, Any], number: int = 1) -> dict[str, Any]:
    return {"type": kind, "envelope_id": f"e{number}", "payload": payload, "accepts_response_payload": True}


def fields(request_body: bytes) -> dict[str, str]:
    return dict(parse_qsl(request_body.decode()))


def answered(socket: Socket) -> str:
    """The next envelope that was acknowledged."""
    return str(socket.received.get(timeout=10)["envelope_id"])


def test_envelopes_are_stored_then_acknowledged_and_a_dialog_is_opened_at_once(
    slack: FakeSlack, socket: Socket
) -> None:
    linked(someone("Mara"))
    body = fields(command(slack, "status").body)
    for number in (1, 2):
        socket.send(envelope("slash_commands", body, number))
        assert answered(socket) == f"e{number}"
    row = SlackDelivery.objects.get()
    assert (row.kind, row.repeats, row.done_at) == ("command", 1, None)
    row.delete()
    socket.send(envelope("slash_commands", fields(command(slack, "declare").body), 3))
    eventually(lambda: slack.of("views.open"))
    eventually(lambda: SlackDelivery.objects.get().done_at)
    SlackDelivery.objects.all().delete()
    socket.send(envelope("events_api", json.loads(pinned({"ts": "17.1"}).body), 4))
    socket.send(envelope("events_api", {"event_id": "Ev2", "event": {"type": "message", "text": "ack"}}, 5))
    socket.send(envelope("interactive", {"type": "shortcut"}, 6))
    assert {answered(socket) for _ in range(4)} == {"e3", "e4", "e5", "e6"}
    assert SlackDelivery.objects.get().kind == "event"


def test_what_was_not_stored_is_not_acknowledged_and_comes_again(
    slack: FakeSlack, socket: Socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    body = fields(command(slack, "status").body)
    with monkeypatch.context() as away:
        away.setitem(connections.settings["default"], "PORT", "1")
        away.setitem(connections.settings["default"], "HOST", "127.0.0.1")
        socket.send(envelope("slash_commands", body, 1))
        eventually(lambda: "was not stored" in caplog.text)
    socket.send(envelope("slash_commands", body, 2))
    assert answered(socket) == "e2"
    assert socket.received.empty()


def test_without_a_token_the_command_says_what_to_set() -> None:
    with pytest.raises(CommandError, match="SLACK_APP_TOKEN"):
        call_command("slack_socket")
