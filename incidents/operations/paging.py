"""Whom to wake, and the rows that wake them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from accounts import clock
from accounts.actors import Actor
from accounts.models import SiteRole, User
from incidents.models import Incident, OnCall, Page, Severity
from incidents.notifications import hint
from rollouts.models import Deployment

#: UX §4: a person is woken for these only; everything else is a badge or a notice.
PAGED = frozenset({Severity.SEV1, Severity.SEV2})


def on_call(deployment: Deployment | None, at: datetime | None = None) -> list[User]:
    """Who is on call for the deployment's team at ``at``; else for everything without a team; else nobody."""
    at = at or clock.now()
    shifts = (
        OnCall.objects.filter(Q(to_at=None) | Q(to_at__gt=at), from_at__lte=at, user__is_active=True)
        .select_related("user")
        .order_by("from_at", "pk")
    )
    team_id = deployment.bundle.agent.team_id if deployment is not None else None
    of_team = [shift.user for shift in shifts if team_id is not None and shift.team_id == team_id]
    found = of_team or [shift.user for shift in shifts if shift.team_id is None]
    return list(dict.fromkeys(found))


def people_to_page(deployment: Deployment | None, at: datetime | None = None) -> list[User]:
    """Who is on call, and where nobody is, every active admin: an incident never wakes nobody."""
    return on_call(deployment, at) or list(
        User.objects.filter(is_active=True, roles__contains=[SiteRole.ADMIN]).order_by("pk")
    )


def is_on_call(user: User, deployment: Any = None) -> bool:
    """Whether ``user`` is on call now, for ``deployment`` or (None) for anything at all."""
    if deployment is not None:
        return user in on_call(deployment)
    at = clock.now()
    return OnCall.objects.filter(Q(to_at=None) | Q(to_at__gt=at), user=user, from_at__lte=at).exists()


def page(
    incident: Incident, *, actor: Actor, reason: str, at: datetime, after: timedelta = timedelta(0), round: int = 1
) -> None:
    """Wake whoever is on call for an unacknowledged SEV1 or SEV2, once each and round, ``after`` a delay.

    The person who acts is not told of their own act.
    """
    page_many([Waking(incident, actor, reason, at, after, round)])


@dataclass(frozen=True, slots=True)
class Waking:
    """The arguments of :func:`page`."""

    incident: Incident
    actor: Actor
    reason: str
    at: datetime
    after: timedelta = timedelta(0)
    round: int = 1


def page_many(wakings: Iterable[Waking]) -> None:
    """:func:`page` for several incidents; asks who is on call once per team."""
    pages: list[Page] = []
    people: dict[int | None, list[User]] = {}
    for waking in wakings:
        incident = waking.incident
        if incident.severity not in PAGED or incident.acknowledged_by_id is not None:
            continue
        team_id = incident.deployment.bundle.agent.team_id if incident.deployment is not None else None
        if team_id not in people:
            people[team_id] = people_to_page(incident.deployment, waking.at)
        pages += [
            Page(
                incident=incident,
                user=user,
                round=waking.round,
                reason=waking.reason[:200],
                created_at=waking.at,
                due_at=waking.at + waking.after,
            )
            for user in people[team_id]
            if user != waking.actor.person
        ]
    if pages:
        Page.objects.bulk_create(pages, ignore_conflicts=True)
        hint.send_soon()
