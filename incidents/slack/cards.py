"""The one card of each incident, edited in place so that it always shows the present; its news in the thread below.

Cards are rows that every entry of a record marks due. Whatever came in between, whatever was lost, a card is drawn
from the incident as it stands, so Slack catches up by itself.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from datetime import datetime, timedelta
from typing import Any

from accounts import clock
from incidents import links
from incidents.models import Incident, SlackCard, Step, TimelineEntry
from incidents.notifications import slack as transport
from incidents.notifications.base import TransportError
from incidents.notifications.slack import SlackRefused
from incidents.operations import exits, timeline
from incidents.slack import blocks, telling

Kind = TimelineEntry.Kind
HOLD = timedelta(seconds=120)
RUN_SECONDS = 15
#: Seconds at most until a card is tried again: Slack is back long before people notice that it was away.
LONGEST = 20
#: News of one card at a time; the rest follows in the next turn.
NEWS = 10
#: What a thread is told. Everything else is in the room.
TOLD = frozenset(
    {
        Kind.SEVERITY,
        Kind.DUTY,
        Kind.ACKNOWLEDGED,
        Kind.LAPSED,
        Kind.TRIAGED,
        Kind.SKIPPED,
        Kind.CONTAINED,
        Kind.ROLLBACK,
        Kind.ROLL_FORWARD,
        Kind.STOP,
        Kind.RELEASE,
        Kind.RECOVERED,
        Kind.FIRING_AGAIN,
        Kind.RESOLVED,
        Kind.DOCUMENTED,
        Kind.REOPENED,
    }
)
CONTAINING = frozenset({Kind.CONTAINED, Kind.ROLLBACK, Kind.STOP})
CARD = "lastgood_card"
#: The order of the moment as a button: what it says in Slack, and on it.
PRESSES = {
    "acknowledge": ("ack", "Acknowledge"),
    "stop": ("stop", "Stop writes"),
    "resolve": ("resolve", "Resolve"),
}
logger = logging.getLogger(__name__)


def send_due(at: datetime | None = None) -> int:
    """Show what is due; how many cards were dealt with. A Slack that takes nothing ends the run."""
    stop_at, count = time.monotonic() + RUN_SECONDS, 0
    transport.probe(at or clock.now())
    while transport.connected() and time.monotonic() < stop_at:
        now = at or clock.now()
        rows = SlackCard.objects.claim(now, limit=1, hold=HOLD)
        if not rows:
            break
        count += 1
        try:
            show(rows[0], now)
        except TransportError as error:
            _show_in_room(rows[0])
            rows[0].fail(
                str(error), at=now, retry_after=error.retry_after, give_up_after=None, longest=_patience(error)
            )
            if not isinstance(error, SlackRefused) or error.retry_after is not None:
                break
        except Exception as error:  # a card that cannot be drawn must not keep the others waiting
            logger.exception("%s could not be shown", rows[0])
            rows[0].fail(f"{type(error).__name__}: {error}", at=now, give_up_after=None)
        else:
            if rows[0].attempts > 1:
                _show_in_room(rows[0])
    return count


def _show_in_room(card: SlackCard) -> None:
    """Open rooms say whether Slack answers: let them look again."""
    timeline.notify(card.incident.ref, "header")


def _patience(error: TransportError) -> float:
    """Seconds until the next try at most: a refusal stays until somebody repairs the channel, an outage passes."""
    return 900 if isinstance(error, SlackRefused) and error.retry_after is None else LONGEST


def show(card: SlackCard, at: datetime) -> None:
    """Post or edit the card, then tell its thread the news; done unless the record has grown meanwhile."""
    claimed = card.due_at
    incident = Incident.objects.select_related("acknowledged_by", "deployment__bundle").get(pk=card.incident_id)
    text, shown = drawn(incident)
    digest = hashlib.sha256(json.dumps([text, shown]).encode()).hexdigest()
    if card.ts and digest != card.digest:
        try:
            transport.update(card.channel, card.ts, text, shown)
        except SlackRefused as refusal:
            if refusal.code != "message_not_found":
                raise
            card.ts = ""  # somebody deleted it
    if not card.ts:
        posted = _post(card, incident, text, shown)
        card.channel, card.ts = posted.channel, posted.ts
    card.digest = digest
    card.save(update_fields=["channel", "ts", "digest"])
    if _tell_news(card, incident):
        return  # more is waiting: the card stays due, and is let go
    same = SlackCard.objects.filter(pk=card.pk, due_at=claimed)
    if not same.update(done_at=at, claimed_until=None, error="", attempts=0):
        SlackCard.objects.filter(pk=card.pk).update(claimed_until=None)


def _post(card: SlackCard, incident: Incident, text: str, shown: list[blocks.Block]) -> transport.Posted:
    """The root message. After an attempt whose answer was lost the message may be there already."""
    there = _already_there(card.channel, incident.ref) if card.attempts > 1 else None
    if there is not None:
        return transport.update(card.channel, there, text, shown)
    if _wakes_everybody(incident):
        shown = [*shown, blocks.section(f"<!here> {blocks.severity(incident)}, declared. Nobody has it yet.")]
    try:
        return transport.post(
            card.channel, text, shown, metadata={"event_type": CARD, "event_payload": {"incident": incident.ref}}
        )
    except SlackRefused as refusal:
        if refusal.code == "not_in_channel":
            transport.call("conversations.join", channel=card.channel)
        raise


def _already_there(channel: str, ref: str) -> str | None:
    """The ``ts`` of this incident's card among the channel's latest messages."""
    try:
        found = transport.call("conversations.history", channel=channel, limit=100, include_all_metadata="true")
    except SlackRefused as refusal:
        if refusal.retry_after is not None:
            raise
        return None
    for message in found["messages"]:
        metadata: dict[str, Any] = message.get("metadata") or {}
        if metadata.get("event_type") == CARD and (metadata.get("event_payload") or {}).get("incident") == ref:
            return str(message["ts"])
    return None


def _wakes_everybody(incident: Incident) -> bool:
    """Only for a SEV1 that a person declared and nobody has yet; never for what a monitor opened."""
    declared = incident.timeline.filter(kind=Kind.DECLARED).exists()
    return incident.severity == "SEV1" and incident.acknowledged_at is None and incident.is_open and declared


def _tell_news(card: SlackCard, incident: Incident) -> bool:
    """Tell the thread what it has not been told; True when there is more than one turn's worth."""
    fresh = incident.timeline.filter(sequence__gt=card.told_sequence).order_by("sequence")
    news = list(fresh.filter(kind__in=TOLD)[: NEWS + 1])
    for entry in news[:NEWS]:
        transport.post(card.channel, *_news(entry), thread_ts=card.ts, broadcast=_is_loud(entry))
        card.told_sequence = entry.sequence
        card.save(update_fields=["told_sequence"])
    if len(news) > NEWS:
        SlackCard.objects.filter(pk=card.pk).update(claimed_until=None)
        return True
    last = fresh.order_by("-sequence").values_list("sequence", flat=True).first()
    if last is not None:
        card.told_sequence = max(card.told_sequence, min(last, incident.last_sequence))
        card.save(update_fields=["told_sequence"])
    return False


def _news(entry: TimelineEntry) -> tuple[str, list[blocks.Block]]:
    """One entry, with who wrote it: what automation and agents did says so."""
    who = f"{blocks.GLYPHS[entry.actor_kind]} {blocks.escape(entry.actor_label)}, {blocks.moment(entry.at)}"
    words = blocks.escape(blocks.cut(entry.text, 1000))
    ref = blocks.room(entry.incident)
    return f"{ref}: {words}\n{who}", [blocks.section(f"{ref}: {words}"), blocks.context(who)]


def _is_loud(entry: TimelineEntry) -> bool:
    """Whether the channel hears it too: the severity changed, it is rolled back, stopped, contained or resolved."""
    if entry.kind == Kind.SEVERITY:
        return bool(entry.data.get("from") != entry.data.get("to"))
    if entry.kind == Kind.CONTAINED:  # which a rollback or a stop has said already
        before = entry.incident.timeline.filter(sequence__lt=entry.sequence, kind__in=[*CONTAINING, Kind.REOPENED])
        last = before.order_by("-sequence").values_list("kind", flat=True).first()
        return last is None or last == Kind.REOPENED
    return entry.kind in {Kind.ROLLBACK, Kind.STOP, Kind.RESOLVED}


def drawn(incident: Incident) -> tuple[str, list[blocks.Block]]:
    """The card as it is now: what to read where blocks cannot be shown, and the blocks."""
    order = exits.do_next(incident)
    holder = incident.acknowledged_by
    text = (
        f"{blocks.headline(incident)} · {Step(incident.step).label} · "
        f"{f'held by {blocks.escape(str(holder))}' if holder else 'nobody has it'} · Next: {blocks.escape(str(order))}"
    )
    shown = [
        blocks.header(f"{blocks.severity(incident)} · {incident.ref} · {incident.title}"),
        blocks.facts(telling.facts_of(incident)),
        blocks.context(_origin(incident)),
        blocks.actions(*_buttons(incident, order)),
    ]
    return text, shown


def _origin(incident: Incident) -> str:
    """Who opened it: a monitor's words are never taken for a person's."""
    first = incident.timeline.order_by("sequence").first()
    if first is None:
        return blocks.room(incident)
    return f"Opened by {blocks.GLYPHS[first.actor_kind]} {blocks.escape(first.actor_label)} · {blocks.room(incident)}"


def _buttons(incident: Incident, order: exits.Order) -> list[blocks.Block]:
    """At most three: the press of the moment, the way back while the harm is on, and the room."""
    made = []
    if order.verb in PRESSES:
        verb, words = PRESSES[order.verb]
        made.append(blocks.button(verb, words, incident.ref, style="primary"))
    harm_on = incident.is_open and incident.contained_at is None and incident.containment_waived_at is None
    back = exits.last_good_label(incident.deployment) if harm_on and incident.deployment is not None else None
    if back is not None:
        made.append(blocks.button("rollback", f"Roll back to {back}", incident.ref, style="danger", number=1))
    return [*made[:2], blocks.opens("Open the room", links.room(incident.ref))]
