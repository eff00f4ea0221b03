"""Working what Slack sent: once each, in the order each person sent it, answered when it is done.

A row is claimed, done, answered and finished. Whoever dies in between repeats the answer, not the act: what was
done is noted on the row in the act's own transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from accounts import clock
from accounts.errors import NotFound, OperationRefused
from accounts.permissions import needed_for, require
from incidents.models import SlackDelivery
from incidents.notifications import slack as transport
from incidents.notifications.base import TransportError
from incidents.notifications.slack import SlackRefused
from incidents.slack import asking, blocks, identity, telling
from incidents.slack.acting import DECLARATION
from incidents.slack.asking import Ask, Asked, RefusedWithLinks, Reply
from incidents.slack.verbs import VERBS, Verb, usages
from incidents.slack.whereabouts import Unclear

HOLD = timedelta(seconds=60)
RUN_SECONDS = 15
#: How long one waits for the same person's earlier request before it looks again.
TURN = timedelta(milliseconds=150)
#: The dialog can no longer be opened; anything typed is lost with it, so nothing may have been typed yet.
TOO_LATE = frozenset(
    {"expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged", "invalid_trigger_id"}
)
FAILED = "That did not work, and it was not your doing. The room in the browser works: try there."
logger = logging.getLogger(__name__)


def opens_dialog(kind: str, payload: Mapping[str, Any]) -> bool:
    """Whether it is a matter of seconds."""
    asked = asking.read(kind, payload)
    verb = VERBS.get(asked.verb)
    acts = asked.fields is not None or (asked.verb == "declare" and DECLARATION.fullmatch(asked.text.strip()))
    return verb is not None and verb.dialog and not acts


def work_due(at: datetime | None = None) -> int:
    """Work everything that is due; how many rows were dealt with.

    What nobody has tried yet goes first: an old answer that Slack did not take must not hold up a rollback. While
    Slack does not answer, people's acts are done all the same and answered later.
    """
    stop_at, count, away = time.monotonic() + RUN_SECONDS, 0, False
    while time.monotonic() < stop_at:
        now = at or clock.now()
        fresh = SlackDelivery.objects.filter(attempts=0).claim(now, limit=1, hold=HOLD)
        rows = fresh or (SlackDelivery.objects.claim(now, limit=1, hold=HOLD) if not away else [])
        if not rows:
            break
        away = _work(rows[0], now, answering=not away) or away
        count += 1
    return count


def work_one(pk: int, at: datetime | None = None) -> None:
    """Work one row, unless somebody else has it."""
    at = at or clock.now()
    for row in SlackDelivery.objects.filter(pk=pk).claim(at, limit=1, hold=HOLD):
        _work(row, at)


def _work(row: SlackDelivery, at: datetime, *, answering: bool = True) -> bool:
    """Do it and, if ``answering``, answer; whether Slack does not answer at all."""
    if _waits(row, at):
        SlackDelivery.objects.filter(pk=row.pk).update(due_at=at + TURN, claimed_until=None, attempts=F("attempts") - 1)
        return False
    asked = None
    try:
        asked = asking.read(row.kind, row.payload)
        reply = Reply(row.outcome, to_channel=row.to_channel) if row.outcome else _do(row, asked)
        if not answering:
            raise TransportError("Slack does not answer.")
        _answer(asked, reply)
    except SlackRefused as refusal:
        if refusal.retry_after is not None:
            row.fail(str(refusal), at=at, retry_after=refusal.retry_after)
            return False
        logger.warning("the answer to %s was not taken: %s", row, refusal)
        row.finish(at=at)
    except TransportError as error:
        row.fail(str(error), at=at, retry_after=error.retry_after)
        return True
    except Exception as error:  # one request that cannot be worked must not keep the others waiting
        logger.exception("%s could not be worked", row)
        row.fail(f"{type(error).__name__}: {error}", at=at, give_up_after=3)
        if row.given_up_at is not None and asked is not None:
            _sorry(asked)
    else:
        row.finish(at=at)
    return False


def _waits(row: SlackDelivery, at: datetime) -> bool:
    """Whether the same person asked something before, which nobody has tried or somebody is at.

    A dialog does nothing yet and cannot wait: its trigger is good for three seconds.
    """
    if asking.readable(row.kind, row.payload) and opens_dialog(row.kind, row.payload):
        return False
    earlier = SlackDelivery.objects.filter(pk__lt=row.pk, done_at=None, given_up_at=None)
    under_way = Q(attempts=0) | Q(claimed_until__gt=at)
    return earlier.filter(under_way, payload__user=row.payload["user"], payload__team=row.payload["team"]).exists()


def _do(row: SlackDelivery, asked: Asked) -> Reply:
    """Do what is asked, once, and what to answer. A refusal is an answer too, for that person alone."""
    try:
        verb = VERBS.get(asked.verb)
        if verb is None or (row.kind == SlackDelivery.Kind.COMMAND and not verb.typed):
            raise NotFound(f"There is no command {asked.verb[:40]!r}. Type help for all of them.")
        actor = identity.actor_of(asked)
        if asked.verb == "link":
            reply = telling.link(asked, row.pk)
        elif asked.verb == "help":
            return telling.help_text(usages())
        elif actor is None:
            return Reply(identity.UNLINKED)
        else:
            return _done(row, verb, Ask(actor, asked))
    except Unclear as unclear:
        return unclear.reply
    except OperationRefused as refusal:
        reply = Reply(_refused(asked, refusal))
    _note(row, reply)
    return reply


def _done(row: SlackDelivery, verb: Verb, ask: Ask) -> Reply:
    """The act, with the permission its person has at this moment."""
    needed = needed_for(f"slack:{ask.asked.verb}")
    if needed is None:
        raise NotFound("Nobody has declared who may say this.")
    require(ask.actor, needed)
    if not verb.whole:
        reply = verb.do(ask)
        _note(row, reply)
        return reply
    with transaction.atomic():
        mine = SlackDelivery.objects.select_for_update(no_key=True).get(pk=row.pk)
        if mine.outcome:
            return Reply(mine.outcome, to_channel=mine.to_channel)
        reply = verb.do(ask)
        _note(mine, reply)
    return reply


def _note(row: SlackDelivery, reply: Reply) -> None:
    """That the act is done. What is answered with blocks or a dialog only asked or showed, and may be done again."""
    if reply.blocks or reply.view is not None:
        return
    row.outcome, row.to_channel = reply.text, reply.to_channel
    row.save(update_fields=["outcome", "to_channel"])


def _refused(asked: Asked, refusal: OperationRefused) -> str:
    """Why not, and who can; what was written in a dialog is given back, since the dialog has closed."""
    written = "\n".join(f"> {blocks.escape(text)}" for text in (asked.fields or {}).values() if len(text) > 20)
    why = refusal.shown if isinstance(refusal, RefusedWithLinks) else blocks.escape(str(refusal))
    lines = [f"⊘ {why}", *(["What you wrote:", written] if written else [])]
    return "\n".join(lines)


def _answer(asked: Asked, reply: Reply) -> None:
    """Say it: in a dialog, to the channel, or to that person only."""
    if reply.view is not None:
        try:
            transport.open_view(asked.trigger_id, dict(reply.view))
            return
        except TransportError as failure:  # its trigger will have expired by the next try
            if isinstance(failure, SlackRefused) and failure.code not in TOO_LATE:
                raise
            if not asked.response_url:
                raise
    text, shown = blocks.cut(reply.text, 3000), reply.blocks or None
    if asked.response_url:
        try:
            transport.respond(asked.response_url, text, shown, in_channel=reply.to_channel)
            return
        except SlackRefused as refusal:
            if refusal.retry_after is not None:
                raise  # else the URL has lived its thirty minutes
    if reply.to_channel and asked.channel:
        try:
            transport.post(asked.channel, text, shown)
            return
        except SlackRefused as refusal:
            if refusal.retry_after is not None:
                raise  # else we are not in that channel
    if asked.channel:
        transport.whisper(asked.channel, asked.user, text, shown)
    else:
        transport.post(asked.user, text, shown)


def _sorry(asked: Asked) -> None:
    try:
        _answer(asked, Reply(FAILED))
    except TransportError as error:
        logger.warning("nobody was told that it failed: %s", error)
