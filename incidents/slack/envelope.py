"""What Slack sent, as it is kept: its kind, what tells it from every other request, and from whom. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from accounts import strict_json
from incidents.models import SlackDelivery

Kind = SlackDelivery.Kind
#: The reaction that puts a message on the timeline.
PIN = "pushpin"
TAKEN = frozenset({"block_actions", "view_submission", "message_action", "shortcut"})


class Unreadable(Exception):
    """Signed, and yet nothing Slack sends."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One request. ``payload`` is ``{"team", "user", "body"}``; ``key`` stays the same when Slack sends it again."""

    kind: str
    key: str
    payload: dict[str, Any]


def of_form(kind: str, body: bytes) -> dict[str, Any]:
    """The fields of a form-encoded request; of an interaction, the JSON of its ``payload``."""
    try:
        fields = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
    except (UnicodeDecodeError, ValueError):
        raise Unreadable("This is no form.") from None
    if kind != Kind.INTERACTION or fields.get("ssl_check"):
        return fields
    return of_json(fields.get("payload", "").encode())


def of_json(body: bytes) -> dict[str, Any]:
    """The object of a JSON request."""
    try:
        said = strict_json.load(body)
    except strict_json.UnreadableJson as error:
        raise Unreadable(str(error)) from None
    if not isinstance(said, dict):
        raise Unreadable("This is no object.")
    return said


def sealed(kind: str, body: Mapping[str, Any]) -> Envelope | None:
    """What is to be kept of a request; None for what asks nothing of us."""
    body = _storable(body)
    if kind == Kind.COMMAND:
        return _envelope(kind, [_text(body, "trigger_id")], _text(body, "team_id"), _text(body, "user_id"), body)
    if kind == Kind.EVENT:
        event = body.get("event")
        wanted = isinstance(event, dict) and event.get("type") == "reaction_added" and event.get("reaction") == PIN
        if not isinstance(event, dict) or not wanted:
            return None
        return _envelope(kind, [_text(body, "event_id")], _text(body, "team_id"), _text(event, "user"), body)
    if body.get("type") not in TAKEN or _text(_first_action(body), "action_id").startswith("open."):
        return None  # a button that only opened a page is told to us too
    user = _part(body, "user")
    team = _text(_part(body, "team"), "id") or _text(user, "team_id")
    return _envelope(kind, _names(body), team, _text(user, "id"), body)


def _names(body: Mapping[str, Any]) -> list[str]:
    """What tells one interaction from every other."""
    if body["type"] == "view_submission":
        view = _part(body, "view")
        return [_text(view, "id"), _text(view, "hash"), "view_submission"]
    return [_text(body, "trigger_id"), _text(_first_action(body), "action_ts") or _text(body, "action_ts")]


def _first_action(body: Mapping[str, Any]) -> Mapping[str, Any]:
    actions = body.get("actions")
    return actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}


def _envelope(kind: str, names: list[str], team: str, user: str, body: Mapping[str, Any]) -> Envelope:
    if not names[0] or not user:
        raise Unreadable("Slack names each of its requests, and whom it is from.")
    key = ":".join([kind, *names])
    if len(key) > 200:
        key = f"{kind}:{hashlib.sha256(key.encode()).hexdigest()}"
    return Envelope(kind, key, {"team": team, "user": user, "body": dict(body)})


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _storable(value: Any) -> Any:
    """NUL and half surrogates, which PostgreSQL cannot store, become U+FFFD."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
