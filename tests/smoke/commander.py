"""A commander at Slack: what they send comes four times and out of order, and what they read is judged."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import httpx

from tests.fake_slack import CHANNEL, TEAM, Call, FakeSlack
from tests.processes import Workbench
from tests.slack_requests import Request, command, submit

LINK = re.compile(r"<(https?://[^|>]+)\|([^>]+)>")
RESPONSE = re.compile(r"/response/[0-9.]+")
#: What a message may hold so that it is read on a phone.
MOST_BLOCKS, MOST_BUTTONS = 10, 3
MENTIONS = ("<!here>", "<!channel>", "<!everyone>")


class Commander:
    """One Slack user in the incidents channel; ``user`` is Slack's id."""

    def __init__(self, workbench: Workbench, slack: FakeSlack, user: str = "U0MARA") -> None:
        self.workbench, self.slack, self.user = workbench, slack, user

    def post(self, request: Request) -> httpx.Response:
        """One request at the door as it is, answered in the time that Slack gives."""
        began = time.monotonic()
        headers = {"content-type": request.content_type, **request.headers}
        answer = self.workbench.http.post(request.path, content=request.body, headers=headers)
        assert time.monotonic() - began < 3
        return answer

    def send(self, *requests: Request) -> None:
        """Each of these four times, the repeats of the last before those of the first."""
        deliveries = [*requests, *(one.again(number) for number in (1, 2, 3) for one in reversed(requests))]
        for request in deliveries:
            answer = self.post(request)
            assert (answer.status_code, answer.content) == (200, b""), answer.text

    def type(self, text: str) -> None:
        """``/incident text`` in the channel."""
        self.send(command(self.slack, text, user=self.user))

    def told(self, request: Request) -> Call:
        """What this person alone is answered to what they send: at its own response URL, else in the channel."""
        found = RESPONSE.search(unquote_plus(request.body.decode()))
        whispers = len(self.slack.of("chat.postEphemeral"))

        def answers() -> list[Call]:
            if found is None:
                return self.slack.of("chat.postEphemeral")[whispers:]
            return [call for call in self.slack.of("response") if call.body["url"] == found[0]]

        self.send(request)
        answer: Call = self.workbench.eventually(answers, 30)[0]
        assert answer.body.get("response_type", "ephemeral") == "ephemeral", answer.body
        return answer

    def asked(self, text: str) -> Call:
        """What a command answers to whoever typed it."""
        return self.told(command(self.slack, text, user=self.user))

    def dialog(self, text: str) -> dict[str, Any]:
        """The one dialog that a command opens within the three seconds."""
        before = len(self.slack.of("views.open"))
        self.type(text)
        self.workbench.eventually(lambda: len(self.slack.of("views.open")) > before, 10)
        view: dict[str, Any] = self.slack.of("views.open")[-1].body["view"]
        return view

    def submits(self, view: dict[str, Any], **fields: str) -> Request:
        """That dialog, filled in."""
        return submit(view, fields, user=self.user)


def link(workbench: Workbench, email: str, slack_user: str) -> None:
    """The person with this address is that Slack user."""
    workbench.sql(
        "INSERT INTO incidents_slackidentity (user_id, team_id, slack_user_id, linked_at)"
        " SELECT id, %s, %s, now() FROM accounts_user WHERE email = %s",
        [TEAM, slack_user, email],
    )


def places(shown: object) -> list[tuple[str, str]]:
    """Every address in mrkdwn with its words."""
    text = shown if isinstance(shown, str) else "\n".join(_texts(shown))
    return LINK.findall(text)


def loud(slack: FakeSlack) -> list[str]:
    """What the channel heard of what happened in threads."""
    return [message["text"] for message in slack.messages.values() if message.get("reply_broadcast")]


def refuse_embarrassment(slack: FakeSlack, base: str) -> None:
    """Every message can be read: with text for where blocks cannot be shown, short, with whole links of ours."""
    said = slack.of("chat.postMessage", "chat.update", "chat.postEphemeral", "response")
    assert said
    for call in said:
        blocks = call.body.get("blocks") or []
        assert call.text.strip(), call.body
        assert len(blocks) <= MOST_BLOCKS, call.body
        for url, words in places(call.text) + places(blocks):
            assert url.startswith(base), url
            assert words.strip()
        whole = json.dumps(blocks, ensure_ascii=False) + call.text
        for raw in ("None", "&amp;amp;", "{'", "Traceback"):
            assert raw not in whole, whole
    cards = [call for call in said if call.body.get("channel") == CHANNEL and not call.body.get("thread_ts")]
    for card in cards:
        buttons = [part for block in card.body.get("blocks") or [] for part in _buttons(block)]
        assert len(buttons) <= MOST_BUTTONS, card.body


def _buttons(block: dict[str, Any]) -> list[dict[str, Any]]:
    return list(block["elements"]) if block["type"] == "actions" else []


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
