"""Conversations that hold turns of what was taken back: gathered in one statement, whatever their number."""

# ruff: noqa: S608 (what is put into the statement is of this package)
from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from rollouts.models import ConversationTreatment, RollbackLeg, TaintedConversation
from rollouts.operations import cohorts
from rollouts.operations.looks.base import WITHIN, Found, Look, live_since, taken, within

#: A conversation with a turn within so long before the flip, or after it, is still going on.
ACTIVE = timedelta(minutes=30)
#: Turns of the old version arrive late: runs in flight, telemetry in batches. So long it is counted again.
LATE = timedelta(hours=1)
AGAIN = timedelta(minutes=5)
GATHER = f"""
    INSERT INTO rollouts_taintedconversation
        (rollback_id, deployment_id, conversation_id, turns, first_at, last_at, region, active)
    SELECT %(rollback)s, %(deployment)s, conversation_id, count(*), min(at), max(at), max(region),
        max(at) >= %(active_since)s
    FROM rollouts_agentrun
    WHERE {WITHIN} AND version_number = ANY(%(numbers)s) AND conversation_id <> ''
    GROUP BY conversation_id
    ON CONFLICT (rollback_id, conversation_id) DO UPDATE SET turns = excluded.turns, last_at = excluded.last_at,
        first_at = excluded.first_at, region = excluded.region, active = excluded.active
    WHERE (rollouts_taintedconversation.turns, rollouts_taintedconversation.last_at)
        IS DISTINCT FROM (excluded.turns, excluded.last_at) AND excluded.turns >= rollouts_taintedconversation.turns"""


def look(leg: RollbackLeg, at: datetime) -> Look:
    """Gather them, and give those that came late what was chosen for their cohort already."""
    rollback = leg.rollback
    changed = gather(leg, at)
    if changed:
        for chosen in ConversationTreatment.objects.filter(rollback=rollback).order_by("-pk"):
            cohorts.of(rollback, chosen.cohort).filter(treatment=None).update(treatment=chosen)
    total = TaintedConversation.objects.filter(rollback=rollback).count()
    since = live_since(rollback)
    labels = f"{rollback.from_version.label} since it went live at {since:%d %b %H:%M} UTC"
    source = "stored telemetry, runs that name gen_ai.conversation.id"
    again = at + AGAIN if at < rollback.flipped_at + LATE else None
    if total:
        text = f"{total} conversations hold turns of {labels}."
        return Look([Found("count", text, total, source=source)], changed=bool(changed), again_at=again)
    text = f"No stored run of {labels} names a conversation, so which are tainted is not known."
    return Look([Found("count", text, None, source=source)], again_at=again)


def gather(leg: RollbackLeg, at: datetime) -> int:
    """Write down the conversations, each once; how many are new or have more turns than before."""
    rollback = leg.rollback
    values = within(
        leg,
        live_since(rollback),
        at,
        numbers=taken(rollback),
        rollback=rollback.pk,
        deployment=rollback.deployment_id,
        active_since=rollback.flipped_at - ACTIVE,
    )
    with connection.cursor() as cursor:
        cursor.execute(GATHER, values)
        return int(cursor.rowcount)
