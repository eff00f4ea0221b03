"""Slack's doors: who is let in, what is kept of it, and how often."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test import override_settings

from incidents.models import SlackDelivery
from incidents.slack import doors
from tests.fake_slack import FakeSlack
from tests.slack_requests import JSON, Request, command, event, pinned, post, post_all, press

pytestmark = pytest.mark.django_db
#: The doors store from threads of their own, which see only what is committed.
committed = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is told: these tests are about what is kept."""
    monkeypatch.setattr("incidents.notifications.hint._start", lambda task: None)


@committed
def test_a_command_is_kept_once_and_answered_with_nothing_to_show(slack: FakeSlack) -> None:
    answer = post(command(slack, "status"))
    assert (answer.status_code, answer.content) == (200, b"")
    row = SlackDelivery.objects.get()
    assert row.kind == "command"
    assert row.payload["user"] == "U0MARA"
    assert row.done_at is None


@committed
def test_what_slack_sends_again_is_one_row_however_often_and_at_once(slack: FakeSlack) -> None:
    one = pinned({"ts": "17.1"}, event_id="Ev1")
    answers = post_all([one, one.again(1), one.again(2), one.again(3)])
    assert [answer.status_code for answer in answers] == [200] * 4
    assert SlackDelivery.objects.get().repeats == 3


@committed
def test_two_presses_are_two_rows(slack: FakeSlack) -> None:
    post_all([press(slack, "ack.0", "INC-1"), press(slack, "ack.0", "INC-1")])
    assert SlackDelivery.objects.count() == 2


def test_the_address_is_verified_only_for_slack(slack: FakeSlack) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB"}).encode()
    asked = Request("/slack/events", body, JSON)
    assert post(asked.signed()).json() == {"challenge": "3eZbrw1aB"}
    assert post(asked).status_code == 401
    assert not SlackDelivery.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": ""},
        {"x-slack-signature": "v0=\xe9"},
        {"x-slack-request-timestamp": "yesterday"},
        {"x-slack-request-timestamp": "²"},
        {"x-slack-request-timestamp": "9" * 400},
        {"x-slack-request-timestamp": "-1"},
    ],
)
def test_what_is_not_signed_by_slack_is_refused_and_not_kept(slack: FakeSlack, headers: dict[str, str]) -> None:
    forged = command(slack, "rollback INC-1")
    scope = _scope(forged, {**forged.headers, **headers})
    assert _status(scope, forged.body) == 401
    assert not SlackDelivery.objects.exists()


def _scope(request: Request, headers: dict[str, str]) -> dict[str, Any]:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": request.path, "headers": raw}


def _status(scope: dict[str, Any], body: bytes) -> int:
    """By the protocol itself: no client sends such headers."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def run() -> None:
        await doors.application(scope, receive, send)
        await doors.shutdown()

    asyncio.run(run())
    return int(sent[0]["status"])


@committed
@pytest.mark.parametrize("age", [301, -301, 86400])
def test_a_request_older_or_newer_than_five_minutes_is_refused(slack: FakeSlack, age: float) -> None:
    assert post(command(slack, "ack").signed(age=age)).status_code == 401
    assert post(command(slack, "ack").signed(age=min(max(age, -299), 299))).status_code == 200
    assert SlackDelivery.objects.count() == 1


def test_a_body_changed_on_its_way_is_refused(slack: FakeSlack) -> None:
    sent = command(slack, "status INC-1")
    assert post(Request(sent.path, sent.body.replace(b"status", b"rollback"), headers=sent.headers)).status_code == 401


def test_another_workspaces_secret_opens_nothing(slack: FakeSlack) -> None:
    assert post(command(slack, "ack").signed("another secret")).status_code == 401


@committed
def test_a_replay_within_the_five_minutes_changes_nothing(slack: FakeSlack) -> None:
    sent = press(slack, "rollback.1", "INC-1")
    assert [answer.status_code for answer in post_all([sent, sent])] == [200, 200]
    assert SlackDelivery.objects.count() == 1


BAD = {
    "empty": ("/slack/interactions", b""),
    "no payload": ("/slack/interactions", b"hello=1"),
    "half a payload": ("/slack/interactions", urlencode({"payload": '{"type": '}).encode()),
    "a list": ("/slack/events", b"[]"),
    "not UTF-8": ("/slack/events", b'{"a": "\xc3("}'),
    "nobody": ("/slack/commands", b"text=ack&trigger_id=1"),
    "no name of its own": ("/slack/commands", b"text=ack&user_id=U1"),
    "actions that are none": (
        "/slack/interactions",
        urlencode({"payload": '{"type":"block_actions","user":{"id":"U1"},"trigger_id":"1","actions":["x"]}'}).encode(),
    ),
    "a dialog that kept nonsense": (
        "/slack/interactions",
        urlencode(
            {"payload": '{"type":"view_submission","user":{"id":"U1"},"view":{"id":"V1","private_metadata":"["}}'}
        ).encode(),
    ),
    "a user that is a list": ("/slack/interactions", urlencode({"payload": '{"type":"shortcut","user":[]}'}).encode()),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_refused_whoever_signed_it(slack: FakeSlack, name: str) -> None:
    path, body = BAD[name]
    if name == "not UTF-8":
        assert post(Request(path, body, JSON, command(slack, "x").headers)).status_code == 401
        return
    assert post(Request(path, body, JSON).signed()).status_code == 400
    assert not SlackDelivery.objects.exists()


def test_a_body_beyond_a_mebibyte_is_not_read(slack: FakeSlack) -> None:
    assert post(command(slack, "note " + "x" * doors.MAX_BYTES)).status_code == 413


@committed
def test_signs_postgresql_cannot_hold_are_replaced(slack: FakeSlack) -> None:
    assert post(command(slack, "note nul \x00 here")).status_code == 200
    assert SlackDelivery.objects.get().payload["body"]["text"] == "note nul \ufffd here"


@pytest.mark.parametrize(
    "body",
    [
        {"type": "message", "user": "U0MARA", "text": "ack", "channel": "C0INCIDENTS", "ts": "1.1"},
        {"type": "message", "user": "U0MARA", "text": "Acknowledged.", "channel": "C0INCIDENTS", "ts": "1.1"},
        {"type": "reaction_added", "user": "U0MARA", "reaction": "eyes", "item": {}},
        {"type": "reaction_removed", "user": "U0MARA", "reaction": "pushpin", "item": {}},
    ],
)
def test_free_text_and_other_reactions_ask_nothing_of_us(slack: FakeSlack, body: dict[str, Any]) -> None:
    assert post(event(body)).status_code == 200
    assert not SlackDelivery.objects.exists()


def test_only_posts_are_taken_and_only_at_the_three_doors(slack: FakeSlack) -> None:
    sent = command(slack, "ack")
    assert _status(_scope(sent, sent.headers) | {"method": "GET"}, b"") == 405
    assert _status(_scope(sent, sent.headers) | {"path": "/slack/commandsx"}, b"") == 404


def test_unconnected_the_doors_are_closed(slack: FakeSlack) -> None:
    sent = command(slack, "ack")
    with override_settings(SLACK_SIGNING_SECRET=""):
        assert post(sent).json() == {"error": "Slack is not connected."}


@committed
def test_with_the_database_away_slack_is_asked_to_come_again(slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "PORT", "1")
    monkeypatch.setitem(connections.settings["default"], "HOST", "127.0.0.1")
    answer = post(command(slack, "ack"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
