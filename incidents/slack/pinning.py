"""A message becomes part of the record: by the pin reaction, or from the message's menu. Once per message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from accounts.errors import NotFound
from incidents import access
from incidents.models import Incident, SlackCard, SlackIdentity
from incidents.notifications import slack as transport
from incidents.notifications.slack import SlackRefused
from incidents.operations import note as noting
from incidents.slack import blocks
from incidents.slack.asking import Ask, Reply, first_word
from incidents.slack.whereabouts import NAMED, choose, here

#: What Slack says when there is no such message for us; anything else may pass.
NOT_SEEN = frozenset({"channel_not_found", "not_in_channel", "message_not_found", "thread_not_found", "missing_scope"})


def pin(ask: Ask) -> Reply:
    """[ref] <channel> <ts>: what a reaction, a menu or the choice between incidents says"""
    named, place = first_word(ask.text)
    ref = named if NAMED.fullmatch(named) else ""
    channel, ts = first_word(place if ref else ask.text)
    message = ask.asked.message or _fetched(channel, ts)
    incident = access.get_incident(ask.actor, ref) if ref else _incident(ask, str(message.get("thread_ts") or ts))
    if incident is None:
        return _choice(ask, f"{channel} {ts}")
    entry, fresh = noting.pin(incident, actor=ask.actor, message=_read(ask, channel, ts, message))
    said = "On the timeline" if fresh else "It is on the timeline already"
    return Reply(f"✔ {said} of {blocks.room(incident)}, as entry {entry.sequence}.")


def _incident(ask: Ask, thread: str) -> Incident | None:
    """The incident whose card heads this thread, else the only one in this channel."""
    card = SlackCard.objects.filter(channel=ask.asked.channel, ts=thread).exclude(ts="").first()
    if card is not None:
        return access.incidents_for(ask.actor).get(pk=card.incident_id)
    found = here(ask)
    return found[0] if len(found) == 1 else None


def _choice(ask: Ask, place: str) -> Reply:
    found = here(ask) or list(access.incidents_for(ask.actor).open().order_by("severity", "-opened_at")[:10])
    if not found:
        raise NotFound("No incident is open, so there is no timeline to put this on. Declare one first.")
    return choose("pin", found, place)


def _fetched(channel: str, ts: str) -> Mapping[str, Any]:
    """The message, from Slack: at the top of its channel, else in a thread."""
    try:
        for method, named in (("conversations.history", {}), ("conversations.replies", {"ts": ts})):
            answer = transport.call(
                method, channel=channel, oldest=ts, latest=ts, inclusive="true", limit=1 if not named else None, **named
            )
            found = next((message for message in answer["messages"] if message.get("ts") == ts), None)
            if found is not None:
                return dict(found)
    except SlackRefused as refusal:
        if refusal.code not in NOT_SEEN:
            raise
    raise NotFound("Lastgood cannot read that message. Invite it to the channel, then pin again.")


def _read(ask: Ask, channel: str, ts: str, message: Mapping[str, Any]) -> noting.Message:
    """The message as the record keeps it: whose, what, when and where."""
    profile = message.get("bot_profile") or {}
    machine = bool(message.get("bot_id") or message.get("subtype") == "bot_message" or message.get("app_id"))
    author = str(profile.get("name") or message.get("username") or message.get("user") or "somebody")
    if not machine:
        author = _author(ask, str(message.get("user") or ""))
    return noting.Message(
        author=author[:100],
        text=blocks.plain(str(message.get("text") or "")),
        at=datetime.fromtimestamp(float(ts), UTC),
        source=f"slack:{channel}:{ts}",
        permalink=_permalink(channel, ts),
        by_machine=machine,
    )


def _author(ask: Ask, slack_user: str) -> str:
    """The name we know a Slack user by, else Slack's."""
    known = SlackIdentity.objects.select_related("user").filter(team_id=ask.asked.team, slack_user_id=slack_user)
    identity = known.first()
    return identity.user.display_name if identity is not None else f"@{slack_user}"


def _permalink(channel: str, ts: str) -> str:
    """Where the message stands; a message we may not look up has none."""
    try:
        return transport.permalink(channel, ts)
    except SlackRefused as refusal:
        if refusal.code not in NOT_SEEN:
            raise
        return ""
