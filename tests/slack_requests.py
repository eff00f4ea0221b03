"""Requests as Slack sends and signs them, and somebody at Slack who sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import urlencode

import httpx
from django.test import TestCase
from slack_sdk.signature import SignatureVerifier

from accounts import clock
from accounts.models import User
from incidents.models import SlackDelivery, SlackIdentity
from incidents.operations import slack_delivery
from incidents.slack import cards, doors, envelope, work
from tests.fake_slack import CHANNEL, SECRET, TEAM, FakeSlack

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_numbers = count(1)


@dataclass(frozen=True)
class Request:
    """One POST of Slack's."""

    path: str
    body: bytes
    content_type: str = FORM
    headers: dict[str, str] = field(default_factory=dict)

    def signed(self, secret: str = SECRET, *, age: float = 0) -> Request:
        """With the signature Slack puts on it now, or ``age`` seconds ago."""
        stamp = str(int(clock.now().timestamp() - age))
        signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=self.body)
        signing = {"x-slack-request-timestamp": stamp, "x-slack-signature": str(signature)}
        return replace(self, headers=self.headers | signing)

    def again(self, number: int = 1, reason: str = "http_timeout") -> Request:
        """The same, sent again, as Slack marks its repeats."""
        return replace(
            self, headers=self.headers | {"x-slack-retry-num": str(number), "x-slack-retry-reason": reason}
        ).signed()


def command(slack: FakeSlack, text: str, user: str = "U0MARA", channel: str = CHANNEL, **more: str) -> Request:
    """``/incident text``, typed in a channel."""
    fields = {
        "token": "gIkuvaNzQIHg97ATvDxqgjtO",
        "team_id": TEAM,
        "team_domain": "example",
        "channel_id": channel,
        "channel_name": "incidents",
        "user_id": user,
        "user_name": user.lower(),
        "command": "/incident",
        "text": text,
        "api_app_id": "A0APP",
        "is_enterprise_install": "false",
        "response_url": slack.response_url(),
        "trigger_id": slack.trigger(),
    }
    return Request("/slack/commands", urlencode(fields | more).encode()).signed()


def interaction(payload: dict[str, Any]) -> Request:
    return Request("/slack/interactions", urlencode({"payload": json.dumps(payload)}).encode()).signed()


def press(
    slack: FakeSlack,
    action: str,
    value: str = "",
    user: str = "U0MARA",
    channel: str = CHANNEL,
    message_ts: str = "1.2",
) -> Request:
    """A button of a message."""
    return interaction(
        {
            "type": "block_actions",
            "user": {"id": user, "username": user.lower(), "team_id": TEAM},
            "team": {"id": TEAM, "domain": "example"},
            "channel": {"id": channel, "name": "incidents"},
            "container": {"type": "message", "message_ts": message_ts, "channel_id": channel},
            "message": {"type": "message", "ts": message_ts},
            "trigger_id": slack.trigger(),
            "response_url": slack.response_url(),
            "actions": [{"type": "button", "action_id": action, "value": value, "action_ts": f"{next(_numbers)}.5"}],
        }
    )


def submit(view: dict[str, Any], fields: dict[str, str], user: str = "U0MARA", **more: Any) -> Request:
    """A dialog, sent with what was filled in."""
    values = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            given = fields.get(block["block_id"], "")
            kind = block["element"]["type"]
            option = {"text": {"type": "plain_text", "text": given}, "value": given} if given else None
            answer = {"selected_option": option} if kind == "static_select" else {"value": given or None}
            values[block["block_id"]] = {block["element"]["action_id"]: {"type": kind, **answer}}
    payload = {
        "type": "view_submission",
        "team": {"id": TEAM},
        "user": {"id": user, "team_id": TEAM},
        "trigger_id": f"{next(_numbers)}.x",
        "view": {**view, "id": f"V{next(_numbers)}", "hash": "156663117.ab", "state": {"values": values}},
    }
    return interaction(payload | more)


def shortcut(slack: FakeSlack, message: dict[str, Any], user: str = "U0MARA", channel: str = CHANNEL) -> Request:
    """“Add to the timeline”, from a message's menu."""
    return interaction(
        {
            "type": "message_action",
            "callback_id": "pin",
            "team": {"id": TEAM},
            "user": {"id": user},
            "channel": {"id": channel},
            "message": message,
            "message_ts": message["ts"],
            "trigger_id": slack.trigger(),
            "response_url": slack.response_url(),
            "action_ts": f"{next(_numbers)}.6",
        }
    )


def event(body: dict[str, Any], event_id: str = "") -> Request:
    """An event of the Events API."""
    sent = {
        "token": "x",
        "team_id": TEAM,
        "api_app_id": "A0APP",
        "type": "event_callback",
        "event_id": event_id or f"Ev{next(_numbers)}",
        "event_time": 1,
        "event": body,
    }
    return Request("/slack/events", json.dumps(sent).encode(), JSON).signed()


def pinned(message: dict[str, Any], user: str = "U0MARA", channel: str = CHANNEL, event_id: str = "") -> Request:
    """Somebody reacted with a pin."""
    item = {"type": "message", "channel": channel, "ts": message["ts"]}
    return event(
        {"type": "reaction_added", "user": user, "reaction": "pushpin", "item": item, "event_ts": "1.1"}, event_id
    )


def post_all(requests: Sequence[Request]) -> list[httpx.Response]:
    """At the door itself, all at once."""

    async def sent() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=doors.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://slack.test") as client:
            posts = [
                client.post(
                    one.path, content=one.body, headers={"content-type": one.content_type, **one.headers}, timeout=20
                )
                for one in requests
            ]
            try:
                return list(await asyncio.gather(*posts))
            finally:
                await doors.shutdown()

    return asyncio.run(sent())


def post(request: Request) -> httpx.Response:
    return post_all([request])[0]


def keep(request: Request) -> SlackDelivery | None:
    """Past the door without its threads: verified and stored, in the test's own transaction."""
    sealed = doors.opened(doors.PATHS[request.path], request.headers, request.body)
    if not isinstance(sealed, envelope.Envelope):
        return None
    slack_delivery.receive([sealed])
    return SlackDelivery.objects.get(key=sealed.key)


def say(*requests: Request) -> None:
    """Let Slack send these, and everything that follows happen."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        for request in requests:
            keep(request)
        work.work_due()
    cards.send_due()


def linked(user: User, slack_user: str = "U0MARA") -> User:
    """``user`` is this Slack user."""
    SlackIdentity.objects.create(user=user, team_id=TEAM, slack_user_id=slack_user, linked_at=clock.now())
    return user
