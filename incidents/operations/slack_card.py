"""Owing an incident's card in Slack a fresh look, whenever its record grows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import connection

from incidents.models import Incident


def owe(before: Mapping[int, int], incidents: list[Incident], *, at: datetime) -> None:
    """Mark the cards of locked ``incidents`` due, and make those that are not there yet.

    ``before``: the sequence number of each incident's record before it grew, from where a new card's thread begins.
    ``due_at`` always changes, so that whoever is sending at this moment sees that there is more; one that waits
    after a failure goes on waiting. Drills stay inside.
    """
    shown = [incident for incident in incidents if incident.kind != Incident.Kind.DRILL]
    if not (settings.SLACK_BOT_TOKEN and settings.SLACK_CHANNEL and shown):
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incidents_slackcard AS card"
            " (incident_id, channel, ts, digest, told_sequence, due_at, attempts, error)"
            " SELECT id, %s, '', '', sequence, %s, 0, ''"
            " FROM unnest(%s::bigint[], %s::int[]) AS grown (id, sequence)"
            " ON CONFLICT (incident_id) DO UPDATE SET done_at = NULL, given_up_at = NULL,"
            " due_at = GREATEST(EXCLUDED.due_at, card.due_at + interval '1 microsecond'),"
            " attempts = CASE WHEN card.done_at IS NULL THEN card.attempts ELSE 0 END",
            [
                settings.SLACK_CHANNEL,
                at,
                [incident.pk for incident in shown],
                [before[incident.pk] for incident in shown],
            ],
        )
