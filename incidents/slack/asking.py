"""What somebody asks for in Slack, whether typed, pressed, submitted or pinned; and what they are answered. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from accounts.actors import Actor
from accounts.errors import OperationRefused
from incidents.models import SlackDelivery

Kind = SlackDelivery.Kind
#: What a press or dialog says when it means "and show everybody".
POST = "post"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. A button is a command that somebody else typed: its ``text`` is what follows the verb."""

    team: str
    user: str
    verb: str
    text: str = ""
    channel: str = ""
    thread_ts: str = ""
    trigger_id: str = ""
    response_url: str = ""
    pressed: bool = False
    to_channel: bool = False
    automated: bool = False
    fields: Mapping[str, str] | None = None  # of a dialog that was sent
    message: Mapping[str, Any] = field(default_factory=dict)  # that a shortcut was pressed on


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked, by somebody we know."""

    actor: Actor
    asked: Asked

    @property
    def text(self) -> str:
        return self.asked.text


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered: ``text`` is mrkdwn (and all there is where blocks cannot be shown); ``view`` is a dialog."""

    text: str
    blocks: tuple[dict[str, Any], ...] = ()
    to_channel: bool = False
    view: Mapping[str, Any] | None = None


class RefusedWithLinks(OperationRefused):
    """Refused, and where to go: ``shown`` is mrkdwn."""

    def __init__(self, refusal: OperationRefused, shown: str) -> None:
        super().__init__(str(refusal), status=refusal.status, details=refusal.details)
        self.shown = shown


def readable(kind: str, payload: Mapping[str, Any]) -> bool:
    """Whether a request has the members that Slack's have."""
    try:
        read(kind, payload)
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        return False
    return True


def read(kind: str, payload: Mapping[str, Any]) -> Asked:
    """What a stored request asks."""
    team, user, body = payload["team"], payload["user"], payload["body"]
    automated = bool(body.get("bot_id") or body.get("workflow") or body.get("function_data")) or user == "USLACKBOT"
    if kind == Kind.COMMAND:
        verb, text = first_word(str(body.get("text") or ""))
        return Asked(
            team,
            user,
            verb.lower(),
            text,
            channel=str(body.get("channel_id") or ""),
            trigger_id=str(body.get("trigger_id") or ""),
            response_url=str(body.get("response_url") or ""),
            automated=automated,
        )
    if kind == Kind.EVENT:
        item = body["event"].get("item") or {}
        where, ts = str(item.get("channel") or ""), str(item.get("ts") or "")
        return Asked(team, user, "pin", f"{where} {ts}", channel=where)
    if body["type"] == "view_submission":
        return _dialog(team, user, body, automated)
    if body["type"] == "block_actions":
        return _press(team, user, body, automated)
    return _shortcut(team, user, body, automated)


def _press(team: str, user: str, body: Mapping[str, Any], automated: bool) -> Asked:
    action = (body.get("actions") or [{}])[0]
    verb = str(action.get("action_id") or "").partition(".")[0]
    text = str(action.get("value") or "")
    to_channel = verb == POST
    if to_channel:
        verb, text = first_word(text)
    container, message = body.get("container") or {}, body.get("message") or {}
    return Asked(
        team,
        user,
        verb,
        text,
        channel=_channel(body) or str(container.get("channel_id") or ""),
        thread_ts=str(message.get("thread_ts") or container.get("message_ts") or ""),
        trigger_id=str(body.get("trigger_id") or ""),
        response_url=str(body.get("response_url") or ""),
        pressed=True,
        to_channel=to_channel,
        automated=automated,
    )


def _dialog(team: str, user: str, body: Mapping[str, Any], automated: bool) -> Asked:
    view = body.get("view") or {}
    kept = json.loads(view.get("private_metadata") or "{}")
    values = (view.get("state") or {}).get("values") or {}
    fields = {block: _value(next(iter(inputs.values()), {})) for block, inputs in values.items() if inputs}
    return Asked(
        team,
        user,
        str(view.get("callback_id") or ""),
        str(kept.get("text") or ""),
        channel=str(kept.get("channel") or ""),
        trigger_id=str(body.get("trigger_id") or ""),
        automated=automated,
        fields=fields,
    )


def _shortcut(team: str, user: str, body: Mapping[str, Any], automated: bool) -> Asked:
    """From the menu of a message, where its callback is ``pin``; or of all of Slack."""
    message = body.get("message") or {}
    where = _channel(body)
    ts = str(message.get("ts") or body.get("message_ts") or "")
    return Asked(
        team,
        user,
        str(body.get("callback_id") or ""),
        f"{where} {ts}" if ts else "",
        channel=where,
        thread_ts=str(message.get("thread_ts") or ts),
        trigger_id=str(body.get("trigger_id") or ""),
        response_url=str(body.get("response_url") or ""),
        automated=automated,
        message=message,
    )


def first_word(text: str) -> tuple[str, str]:
    """The first word, and what follows it."""
    word, _, rest = text.strip().partition(" ")
    return word, rest.strip()


def _channel(body: Mapping[str, Any]) -> str:
    return str((body.get("channel") or {}).get("id") or "")


def _value(given: Mapping[str, Any]) -> str:
    """What stands in one field of a dialog."""
    if "selected_option" in given:
        return str((given["selected_option"] or {}).get("value") or "")
    return str(given.get("value") or given.get("selected_user") or "")
