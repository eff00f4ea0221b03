"""Stopping the harm from inside a room. The machine acts first; the record follows from what it did."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from accounts.permissions import Permission, require
from incidents.models import Incident, TimelineEntry
from incidents.operations import moves, rooms, timeline
from incidents.operations.holding import holding
from incidents.operations.refusals import given, person, still_open_record
from rollouts.models import Activation, Deployment, Rollback, Stop
from rollouts.operations import kill_switch
from rollouts.operations import roll_back as machine_back
from rollouts.operations import roll_forward as machine_forward


def roll_back(
    incident: Incident, *, actor: Actor, reason: str = "", to: int | None = None, at: datetime | None = None
) -> Rollback:
    """Take the incident's agent back to its last good version, or to number ``to``.

    Not one transaction on purpose: the flip commits without waiting for this incident's row. When a rollback
    from elsewhere stands already, this room says so and counts as contained by it.
    """
    rollback, fresh = machine_back.roll_back(
        _deployment(incident), actor=actor, reason=reason, to=to, pressed_in=incident.ref, at=at
    )
    if not fresh:
        _stands_already(incident, rollback, actor=actor, at=at or clock.now())
    return rollback


@patient("What you pressed for stands already, from elsewhere. This room is held by somebody else; press again.")
def _stands_already(incident: Incident, move: Rollback | Stop, *, actor: Actor, at: datetime) -> None:
    """Record the first press, by whoever made it, and this one in its own room."""
    moves.record("rollback" if isinstance(move, Rollback) else "stop", move.pk)
    moves.press_again(incident, move, actor=actor, at=at)


def roll_forward(incident: Incident, *, actor: Actor, reason: str = "", at: datetime | None = None) -> Activation:
    """Take the standing rollback of the incident's agent back."""
    return machine_forward.roll_forward(
        _deployment(incident), actor=actor, reason=reason, pressed_in=incident.ref, at=at
    )


def stop(
    incident: Incident,
    *,
    actor: Actor,
    scope: str,
    reason: str = "",
    fallback: str = "",
    at: datetime | None = None,
) -> Stop:
    """Stop the incident's agent, or the part of it that ``scope`` names; ``fallback`` is what customers get."""
    stopped, fresh = kill_switch.engage(
        _deployment(incident),
        actor=actor,
        scope=scope,
        reason=reason,
        fallback=fallback,
        pressed_in=incident.ref,
        at=at,
    )
    if not fresh:
        _stands_already(incident, stopped, actor=actor, at=at or clock.now())
    return stopped


def release(incident: Incident, *, actor: Actor, scope: str, reason: str = "", at: datetime | None = None) -> Stop:
    """Let go what ``scope`` had stopped; only a person may."""
    stopped = (
        Stop.objects.select_related("kill_switch__deployment__bundle__agent")
        .filter(kill_switch__deployment=_deployment(incident), kill_switch__scope=scope, released_at=None)
        .first()
    )
    if stopped is None:
        raise OperationRefused(f"Nothing is stopped under the scope {scope!r}.")
    return kill_switch.release(stopped, actor=actor, reason=reason, at=at)


@transaction.atomic
def say_contained(incident: Incident, *, actor: Actor, at: datetime | None = None) -> Incident:
    """Say that a rollback or stop which stands already holds this harm too; it counts from when that was pressed.

    Only a person can: that the agent was taken back does not tell by itself that this was the harm.
    """
    person(actor, "say that it is contained")
    require(actor, Permission.CONTAIN, incident.deployment)
    at = at or clock.now()
    held = holding(incident)
    incident = timeline.lock(incident)
    still_open_record(incident)
    if incident.contained_at is not None:
        raise OperationRefused(f"{incident.ref} is contained already.")
    if held is None:
        raise OperationRefused("No rollback since the harm began and no stop stands. Roll back or stop the agent.")
    rooms.contain(incident, held.flipped_at if isinstance(held, Rollback) else held.engaged_at)
    text = f"Contained already. {rooms.sentence(held)}"
    data = {"evidence": rooms.source_of(held)}
    timeline.append(incident, TimelineEntry.Kind.CONTAINED, text, actor=actor, at=at, data=data, ping=rooms.PINGS)
    rooms.acknowledge_by_press(incident, actor, at)
    return incident


@transaction.atomic
def waive(incident: Incident, *, actor: Actor, reason: str, at: datetime | None = None) -> Incident:
    """Go on without containing, for a reason that stays visible under a person's name."""
    person(actor, "waive containment")
    require(actor, Permission.COMMAND)
    reason = given(reason, "Say why containment is waived.")
    at = at or clock.now()
    incident = timeline.lock(incident)
    still_open_record(incident)
    if incident.contained_at is not None:
        raise OperationRefused(f"{incident.ref} is contained already.")
    if incident.containment_waived_at is not None:
        raise OperationRefused(f"Containment of {incident.ref} was waived: {incident.containment_waiver_reason}")
    incident.containment_waived_at, incident.containment_waiver_reason = at, reason
    incident.save(update_fields=["containment_waived_at", "containment_waiver_reason"])
    timeline.append(
        incident,
        TimelineEntry.Kind.SKIPPED,
        f"Containment waived: {reason}",
        actor=actor,
        at=at,
        ping=("rail", "contain", "resolve", "exits", "board"),
    )
    return incident


def _deployment(incident: Incident) -> Deployment:
    if incident.deployment is None:
        raise OperationRefused(f"{incident.ref} names no agent yet. Say which agent this is about.")
    return incident.deployment
