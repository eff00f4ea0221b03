"""Which rooms a move of the machine is told in, and how it is told there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts import clock
from accounts.actors import Actor, ActorKind, Surface
from accounts.models import Acted, AuditEntry, User
from incidents.models import DetectionSource, Incident, MachineMove, TimelineEntry
from incidents.operations import acknowledge, grouping, opening, timeline
from rollouts.models import Deployment, Rollback, RollbackLeg, Stop

PINGS = ("rail", "contain", "legs", "resolve", "exits", "board")


def claim(kind: str, pk: int, deployment: Deployment | None) -> tuple[MachineMove, bool]:
    """The memory of one move, and whether this caller is the first to deal with it."""
    if deployment is not None:  # moves and alerts of one deployment are dealt with one after the other
        grouping.lock_deployment(deployment.pk)
    try:
        with transaction.atomic():
            return MachineMove.objects.create(kind=kind, object_id=pk, recorded_at=clock.now()), True
    except IntegrityError:
        return MachineMove.objects.select_related("incident").get(kind=kind, object_id=pk), False


def belongs(move: MachineMove, incident: Incident | None) -> Incident | None:
    """Remember that ``move`` was recorded in ``incident``; answers the incident."""
    move.incident = incident
    move.save(update_fields=["incident"])
    return incident


def lock_rooms(deployment: Deployment, also: Incident | None) -> list[Incident]:
    """Every open incident of ``deployment``, and ``also``: locked at once, in the order all lock them (ADR 6)."""
    about = Incident.objects.open().filter(deployment=deployment)
    wanted = about | Incident.objects.filter(pk=also.pk) if also is not None else about
    return list(wanted.select_for_update(no_key=True, of=("self",)).order_by("pk"))


def room_of(deployment: Deployment, pressed_in: str, *, actor: Actor, title: str, at: datetime) -> Incident:
    """The locked room a containment belongs to (CONTRACT §5): where it was pressed, else the worst open incident of
    the deployment, newest first, else a new one."""
    pressed = Incident.objects.filter(ref=pressed_in.upper()).first() if pressed_in else None
    if pressed is not None and pressed.deployment_id not in {None, deployment.pk}:
        pressed = None
    locked = lock_rooms(deployment, pressed)
    if pressed is not None:
        return next(incident for incident in locked if incident.pk == pressed.pk)
    real = [incident for incident in locked if incident.kind != Incident.Kind.DRILL]
    if real:
        return min(real, key=lambda incident: (incident.severity, -incident.opened_at.timestamp(), -incident.pk))
    return opening.open_incident(
        actor=actor,
        title=title,
        deployment=deployment,
        detection_source=DetectionSource.EMPLOYEE if actor.is_person else DetectionSource.GUARDRAIL,
        text=f"Opened for a move nobody had declared an incident for. {title}",
        header={"reference": str(deployment)},
        at=at,
    )


def tell(
    room: Incident | None, deployment: Deployment, kind: str, text: str, source: str, *, actor: Actor, at: datetime
) -> list[Incident]:
    """One entry in ``room`` and in every other open incident of ``deployment``; all of them, locked, room first."""
    rooms = lock_rooms(deployment, room)
    rooms.sort(key=lambda incident: room is None or incident.pk != room.pk)
    for position, incident in enumerate(rooms):
        elsewhere = f" (recorded in {room.ref})" if room is not None and position else ""
        timeline.append(incident, kind, f"{text}{elsewhere}", actor=actor, at=at, source=source, ping=PINGS)
    return rooms


def contained_by(
    room: Incident, move: Rollback | Stop, kind: str, *, actor: Actor, at: datetime
) -> tuple[Incident, TimelineEntry]:
    """Tell of a rollback or stop in every room; ``room`` is contained by it, and acknowledged when a person pressed."""
    source = source_of(move)
    rooms = tell(room, deployment_of(move), kind, sentence(move), source, actor=actor, at=at)
    contain(rooms[0], at)
    acknowledge_by_press(rooms[0], actor, at)
    return rooms[0], rooms[0].timeline.get(source=source)


def contain(incident: Incident, at: datetime) -> None:
    """Note on a locked ``incident`` that the harm is stopped, unless it was already."""
    if incident.contained_at is None:
        incident.contained_at = max(at, incident.opened_at)
        incident.save(update_fields=["contained_at"])


def acknowledge_by_press(incident: Incident, actor: Actor, at: datetime) -> None:
    """A person who contains has the incident (CONTRACT §3); a token or machine never does."""
    if actor.is_person and incident.acknowledged_by_id is None:
        acknowledge.take(incident, actor=actor, at=at, because=" by containing")


def still_contained(incident: Incident, undone: Rollback) -> bool:
    """Whether something else of this room holds while ``undone`` is taken back: a stop, another version's rollback."""
    moves = incident.machine_moves
    stops = Stop.objects.filter(pk__in=moves.filter(kind="stop").values("object_id"), released_at=None)
    others = Rollback.objects.filter(pk__in=moves.filter(kind="rollback").values("object_id")).exclude(
        from_version_id=undone.from_version_id
    )
    return stops.exists() or others.exists()


def actor_of(row: Acted) -> Actor:
    """Who wrote ``row``, as an actor again."""
    return Actor(ActorKind(row.actor_kind), row.actor_label, Surface(row.surface), user=row.user)


def as_they_acted(user: User, deployment: Deployment, verb: str, **data: object) -> Actor:
    """The person who did ``verb``, through the door that the audit log names; rows they closed do not keep it."""
    said = AuditEntry.objects.filter(subject=str(deployment), verb=verb, user=user, data__contains=data)
    surface = said.order_by("-sequence").values_list("surface", flat=True).first()
    return Actor.of_user(user, Surface(surface or Surface.WEB))


def deployment_of(move: Rollback | Stop) -> Deployment:
    return move.deployment if isinstance(move, Rollback) else move.kill_switch.deployment


def source_of(move: Rollback | Stop) -> str:
    """The ``source`` of the entry that tells of ``move``."""
    return f"{'rollback' if isinstance(move, Rollback) else 'stop'}:{move.pk}"


def sentence(move: Rollback | Stop) -> str:
    """What a rollback or stop did, for the timeline."""
    if isinstance(move, Stop):
        gets = f". Customers get: {move.fallback}" if move.fallback else ""
        return f"Stopped {deployment_of(move)}, {move.kill_switch.scope}{because(move.reason)}{gets}"
    versions = f"{move.from_version.label} → {move.to_version.label}"
    return f"Rolled back {move.deployment}: {versions} in {move.committed_ms:.0f} ms{because(move.reason)}"


def leg_sentence(leg: RollbackLeg) -> str:
    """What became of a leg, for the timeline."""
    return f"Leg {leg.get_kind_display().lower()}: {leg.get_state_display().lower()}{because(leg.reason)}"


def when_who_why(move: Rollback | Stop, at: datetime) -> Iterable[str]:
    """The lines R050 wants of every notice."""
    return (
        f"At: {at:%H:%M:%S} UTC, {at:%d %B %Y}",
        f"By: {move.actor_label} ({move.actor_kind})",
        f"Why: {move.reason or 'no reason given'}",
    )


def because(reason: str) -> str:
    """``reason`` as the end of a sentence."""
    return f": {reason.strip()}" if reason.strip() else ""
