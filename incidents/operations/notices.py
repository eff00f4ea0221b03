"""Telling the people concerned of one entry, by rows that are sent later."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from accounts.actors import Actor
from accounts.models import User
from incidents import links
from incidents.models import Incident, Notice, TimelineEntry
from incidents.notifications import hint
from incidents.operations import paging


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
