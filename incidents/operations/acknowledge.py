"""A person says "I have it". Never a machine."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts import clock
from accounts.actors import Actor, Surface
from accounts.errors import NotFound, OperationRefused
from accounts.models import User
from accounts.operations.keys import made_since_signed_out
from accounts.permissions import Permission, require
from accounts.secrets import digest_of, new_secret
from incidents.models import AcknowledgeLink, Acknowledgement, Incident, TimelineEntry
from incidents.operations import timeline
from incidents.operations.refusals import person

LINK_VALID = timedelta(minutes=30)


@transaction.atomic
def acknowledge(incident: Incident, *, actor: Actor, at: datetime | None = None) -> Incident:
    """Take the incident: stops paging. Asked again by its holder it changes nothing."""
    user = person(actor, "acknowledge an incident")
    require(actor, Permission.ACKNOWLEDGE, incident.deployment)
    incident = timeline.lock(incident)
    if incident.acknowledged_by is not None:
        if incident.acknowledged_by == user:
            return incident
        holding = incident.acknowledgements.filter(user=incident.acknowledged_by, lapsed_at=None).latest("at")
        raise OperationRefused(
            f"{incident.acknowledged_by} acknowledged {incident.ref} at {holding.at:%H:%M:%S} UTC. Take a duty to help."
        )
    take(incident, actor=actor, at=at or clock.now())
    return incident


def take(incident: Incident, *, actor: Actor, at: datetime, because: str = "") -> None:
    """Make the acting person the holder of a locked ``incident`` nobody holds; ``because`` of what else they did."""
    user = person(actor, "acknowledge an incident")
    at = max(at, incident.opened_at)
    Acknowledgement.objects.create(incident=incident, user=user, at=at, surface=actor.surface)
    incident.acknowledged_at = incident.acknowledged_at or at
    incident.acknowledged_by = user
    incident.save(update_fields=["acknowledged_at", "acknowledged_by"])
    timeline.append(
        incident,
        TimelineEntry.Kind.ACKNOWLEDGED,
        f"{user} acknowledged{because}",
        actor=actor,
        at=at,
        ping=("rail", "detect", "exits", "board"),
    )


@transaction.atomic
def make_link(incident: Incident, user: User, *, at: datetime | None = None) -> str:
    """The secret of a link by which ``user`` alone can acknowledge ``incident``, for 30 minutes."""
    at = at or clock.now()
    secret = new_secret("lga")
    AcknowledgeLink.objects.create(
        incident=incident, user=user, digest=digest_of(secret), created_at=at, expires_at=at + LINK_VALID
    )
    return secret


def find_link(secret: str, *, at: datetime | None = None) -> AcknowledgeLink:
    """What the link is for, changing nothing: mail scanners open links too.

    NotFound for an unknown secret or a person who has left, refused with 410 when it has expired.
    """
    at = at or clock.now()
    link = (
        AcknowledgeLink.objects.select_related("user", "incident__acknowledged_by", "incident__deployment__bundle")
        .filter(made_since_signed_out(), digest=digest_of(secret), user__is_active=True)
        .first()
    )
    if link is None:
        raise NotFound("This acknowledge link is not known. Sign in and open the incident.")
    if link.expires_at <= at:
        raise OperationRefused("This acknowledge link has expired. Sign in to acknowledge.", status=410)
    return link


@transaction.atomic
def use_link(secret: str, *, at: datetime | None = None) -> Incident:
    """Acknowledge for the person the link was made for. Pressed twice it changes nothing."""
    at = at or clock.now()
    link = find_link(secret, at=at)
    incident = acknowledge(link.incident, actor=Actor.of_user(link.user, Surface.WEB), at=at)
    AcknowledgeLink.objects.filter(pk=link.pk, used_at=None).update(used_at=at)
    return incident
