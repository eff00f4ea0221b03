"""Telling the people and places concerned of one entry, by rows that are sent later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import User
from accounts.operations import audit
from accounts.permissions import Permission, require
from incidents import links
from incidents.models import Incident, Notice, Page, TimelineEntry
from incidents.notifications import hint
from incidents.notifications.events import EVENTS
from incidents.operations import paging

#: One row for every destination that wants to hear of an entry. The severity that counts is the worst the incident
#: had before or after it: whoever heard it was bad hears that it no longer is. Drills stay in the house, and a
#: person's own address is not told of their own act.
FAN_OUT = """
INSERT INTO incidents_notice (entry_id, destination, subject, body, created_at, due_at, attempts, error)
SELECT entry.id, 'destination:' || destination.id, '', '', %(at)s, %(at)s, 0, ''
FROM incidents_destination AS destination
CROSS JOIN incidents_timelineentry AS entry
JOIN incidents_incident AS incident ON incident.id = entry.incident_id
LEFT JOIN rollouts_deployment AS deployment ON deployment.id = incident.deployment_id
LEFT JOIN rollouts_bundle AS bundle ON bundle.id = deployment.bundle_id
LEFT JOIN rollouts_agent AS agent ON agent.id = bundle.agent_id
LEFT JOIN accounts_user AS person ON person.id = entry.user_id AND entry.actor_kind = 'person'
WHERE entry.id = ANY (%(entries)s)
  AND destination.disabled_at IS NULL
  AND incident.kind <> 'drill'
  AND (destination.events = '{}' OR entry.kind = ANY (destination.events))
  AND LEAST(incident.severity, COALESCE(entry.data ->> 'from', incident.severity)) <= destination.least_severity
  AND (destination.team_id IS NULL OR destination.team_id = agent.team_id)
  AND NOT (destination.kind = 'email' AND lower(destination.address) = COALESCE(lower(person.email), ''))
"""


def fan_out(entries: Sequence[TimelineEntry], *, at: datetime) -> None:
    """Owe a notice of each entry to every destination that wants one: one statement, in the entries' transaction.

    The words are chosen when it is sent.
    """
    told = [entry.pk for entry in entries if entry.kind in EVENTS]
    if not told:
        return
    with connection.cursor() as cursor:
        cursor.execute(FAN_OUT, {"entries": told, "at": at})
        owed = cursor.rowcount
    if owed:
        hint.send_soon()


def concerned(incident: Incident, at: datetime) -> list[User]:
    """Who holds the incident or a duty in it, and who is on call for its agent."""
    holding = [responder.user for responder in incident.responders.filter(to_at=None).select_related("user")]
    if incident.acknowledged_by is not None:
        holding.append(incident.acknowledged_by)
    people = [*holding, *paging.people_to_page(incident.deployment, at)]
    return [user for user in dict.fromkeys(people) if user.is_active]


def tell(
    entry: TimelineEntry, *, people: Iterable[User], actor: Actor, subject: str, lines: Iterable[str], at: datetime
) -> None:
    """One notice per person about ``entry``, never to the person who acted."""
    body = "\n".join([*lines, "", links.room(entry.incident.ref)])
    Notice.objects.bulk_create(
        [
            Notice(
                entry=entry,
                destination=f"email:{user.email}",
                subject=" ".join(subject.split())[:300],
                body=body,
                created_at=at,
                due_at=at,
            )
            for user in people
            if user != actor.person
        ],
        ignore_conflicts=True,
    )
    hint.send_soon()


@transaction.atomic
def retry[Row: Notice | Page](row: Row, *, actor: Actor, at: datetime | None = None) -> Row:
    """Send at once what failed or was set aside, with all its tries anew."""
    require(actor, Permission.RESPOND)
    found: Row = type(row).objects.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)
    if found.done_at is not None:
        raise OperationRefused("It has been sent.")
    at = at or clock.now()
    if found.claimed_until is not None and found.claimed_until > at:
        raise OperationRefused("It is being sent just now. Look again in a minute.")
    found.due_at, found.attempts, found.given_up_at = at, 0, None
    found.save(update_fields=["due_at", "attempts", "given_up_at"])
    audit.record(actor, "send again", str(found), at=at)
    hint.send_soon()
    return found
