"""Telling the people and places concerned of one entry, by rows that are sent later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor, ActorKind
from accounts.errors import OperationRefused
from accounts.models import User
from accounts.operations import audit
from accounts.permissions import Permission, require
from incidents import links
from incidents.models import Destination, Incident, Notice, Page, TimelineEntry
from incidents.notifications import hint
from incidents.notifications.events import EVENTS
from incidents.operations import bulk, paging
from rollouts.models import Deployment


def fan_out(entries: Sequence[TimelineEntry], *, at: datetime) -> None:
    """Owe a notice of each entry to every destination that wants one, in the entries' transaction.

    A few statements however many entries there are. The words are chosen when it is sent.
    """
    told = [entry for entry in entries if entry.kind in EVENTS and entry.incident.kind != Incident.Kind.DRILL]
    found = list(Destination.objects.filter(disabled_at=None).defer("secret")) if told else []
    if not found:
        return
    teams = _teams(told) if any(destination.team_id for destination in found) else {}
    actors = _addresses(told) if any(destination.kind == Destination.Kind.EMAIL for destination in found) else {}
    owed = [
        Notice(entry=entry, destination=f"destination:{destination.pk}", created_at=at, due_at=at)
        for entry in told
        for destination in found
        if _wants(destination, entry, teams, actors)
    ]
    if owed:
        bulk.insert(owed)
        hint.send_soon()


def _wants(
    destination: Destination, entry: TimelineEntry, teams: dict[int, int | None], actors: dict[int, str]
) -> bool:
    """The severity that counts is the worst of before and after: who heard it was bad hears that it no longer is.

    A person's own address is not told of their own act.
    """
    incident = entry.incident
    own = entry.user_id is not None and actors.get(entry.user_id) == destination.address.lower()
    return (
        (not destination.events or entry.kind in destination.events)
        and min(incident.severity, entry.data.get("from") or incident.severity) <= destination.least_severity
        and (destination.team_id is None or destination.team_id == teams.get(incident.deployment_id or 0))
        and not own
    )


def _teams(entries: Iterable[TimelineEntry]) -> dict[int, int | None]:
    """deployment → the team of its agent."""
    deployments = {pk for entry in entries if (pk := entry.incident.deployment_id) is not None}
    return dict(Deployment.objects.filter(pk__in=deployments).values_list("pk", "bundle__agent__team_id"))


def _addresses(entries: Iterable[TimelineEntry]) -> dict[int, str]:
    """person who acted → their address, in small letters."""
    people = {pk for entry in entries if entry.actor_kind == ActorKind.PERSON and (pk := entry.user_id) is not None}
    return {pk: email.lower() for pk, email in User.objects.filter(pk__in=people).values_list("pk", "email")}


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
