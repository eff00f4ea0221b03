"""Duties in one incident: any responder may take one, and it grants that role's rights inside it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import SiteRole, User
from accounts.permissions import Permission, require
from incidents.models import Incident, Responder, TimelineEntry
from incidents.operations import notices, timeline
from incidents.operations.refusals import known, still_open_record

#: Site roles whose holders may take any duty; comms people take theirs only.
MAY_HOLD = (SiteRole.RESPONDER, SiteRole.COMMANDER)


@transaction.atomic
def assign(incident: Incident, *, actor: Actor, user: User, duty: str, at: datetime | None = None) -> Incident:
    """Give ``duty`` to ``user``; whoever held it hands over. Given to its holder again it changes nothing.

    Comms people take the duty comms themselves; everything else takes a responder.
    """
    takes_comms = user == actor.person and duty == Responder.Duty.COMMS and user.has_role(SiteRole.COMMS)
    if not takes_comms:
        require(actor, Permission.RESPOND)
    refuse_holding(user, duty)
    at = at or clock.now()
    incident = timeline.lock(incident)
    still_open_record(incident)
    held = holding(incident, duty)
    if held is not None and held.user == user:
        return incident
    if held is not None:
        held.to_at = max(at, held.from_at)
        held.save(update_fields=["to_at"])
    Responder.objects.create(incident=incident, user=user, duty=duty, from_at=at)
    taking = f"{user} took {duty}" if user == actor.person else f"{user} is {duty}"
    entry = timeline.append(
        incident,
        TimelineEntry.Kind.DUTY,
        f"{taking}, from {held.user}" if held is not None else taking,
        actor=actor,
        at=at,
        data={"duty": duty, "user": user.pk},
        ping=("detect", "exits", "board"),
    )
    notices.tell(
        entry,
        people=[user],
        actor=actor,
        subject=f"[{incident.ref}] You are {duty}: {incident.title}",
        lines=[f"{actor.label} made you {duty} of {incident.ref}."],
        at=at,
    )
    return incident


@transaction.atomic
def release(incident: Incident, *, actor: Actor, duty: str, at: datetime | None = None) -> Incident:
    """Nobody holds ``duty`` any longer."""
    require(actor, Permission.RESPOND)
    known(duty, Responder.Duty.values, "duty")
    at = at or clock.now()
    incident = timeline.lock(incident)
    still_open_record(incident)
    held = holding(incident, duty)
    if held is None:
        raise OperationRefused(f"Nobody is {duty} of {incident.ref}.")
    held.to_at = max(at, held.from_at)
    held.save(update_fields=["to_at"])
    timeline.append(
        incident,
        TimelineEntry.Kind.DUTY,
        f"{held.user} is no longer {duty}",
        actor=actor,
        at=at,
        data={"duty": duty, "user": None},
        ping=("detect", "exits", "board"),
    )
    return incident


def refuse_holding(user: User, duty: str) -> None:
    """Refuse a duty there is not, or to somebody who may not hold it."""
    known(duty, Responder.Duty.values, "duty")
    if not user.has_role(*MAY_HOLD, *([SiteRole.COMMS] if duty == Responder.Duty.COMMS else [])):
        raise OperationRefused(f"{user} is not a responder. Ask an admin for the role, or choose somebody else.")


def refuse_offering(user: User, duty: str, *, actor: Actor) -> None:
    """Refuse to ask somebody who may not hold the duty, or for somebody who may not give it."""
    require(actor, Permission.RESPOND)
    refuse_holding(user, duty)


def holding(incident: Incident, duty: str) -> Responder | None:
    """Who holds ``duty`` now."""
    return incident.responders.select_related("user").filter(duty=duty, to_at=None).first()
