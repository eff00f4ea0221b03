"""What the machine does about legs, in the record: closed by it, stuck, or only further than before."""

from __future__ import annotations

from accounts import clock
from accounts.actors import Actor
from incidents.models import Incident, MachineMove, TimelineEntry
from incidents.operations import notices, paging, rooms, timeline
from rollouts.models import LegEvidence, RollbackLeg

MACHINE = Actor.automation("Lastgood")
#: What open pages fetch again when a leg is further than before.
REGIONS = ("legs", "contain")


def closed(leg: RollbackLeg, room: Incident | None) -> Incident | None:
    """The entry of a leg that the machine closed, with its evidence; told once."""
    move, fresh = rooms.claim("leg", leg.pk, leg.rollback.deployment)
    if not fresh or room is None:
        return move.incident
    room = timeline.lock(room)
    timeline.append(
        room,
        TimelineEntry.Kind.LEG,
        rooms.leg_sentence(leg),
        actor=MACHINE,
        at=leg.closed_at,
        data={"leg": leg.kind, "state": leg.state},
        is_key=False,
        source=f"leg:{leg.pk}",
        ping=rooms.PINGS,
    )
    return rooms.belongs(move, room)


def trouble(pk: int) -> tuple[LegEvidence, Incident | None]:
    """The evidence row that says why a leg is stuck, and the room its rollback was recorded in, if any yet."""
    row = LegEvidence.objects.select_related("leg__rollback__deployment__bundle__agent").get(pk=pk)
    found = (
        MachineMove.objects.filter(kind="rollback", object_id=row.leg.rollback_id).select_related("incident").first()
    )
    return row, found.incident if found is not None else None


def record_trouble(row: LegEvidence, room: Incident | None) -> Incident | None:
    """A leg that cannot go on wakes whoever has to know (UX §4): an entry, a page where nobody has it, a notice."""
    move, fresh = rooms.claim("leg_trouble", row.pk, row.leg.rollback.deployment)
    if not fresh or room is None:
        return move.incident
    at = clock.now()
    room = timeline.lock(room)
    text = f"Leg {row.leg.get_kind_display().lower()} {row.get_kind_display().lower()}: {row.text}"
    entry = timeline.append(
        room,
        TimelineEntry.Kind.LEG,
        text,
        actor=MACHINE,
        at=row.at,
        data={"leg": row.leg.kind, "state": row.leg.state, "evidence": row.pk},
        source=f"leg_trouble:{row.pk}",
        ping=rooms.PINGS,
    )
    if room.is_open and room.kind != Incident.Kind.DRILL:
        notices.tell(
            entry,
            people=notices.concerned(room, at),
            actor=MACHINE,
            subject=f"[{room.ref}] A rollback leg is stuck: {row.leg.get_kind_display().lower()}",
            lines=[
                text,
                f"Rolled back: {row.leg.rollback.deployment}",
                "Retry it, do it by hand, or waive it by name.",
            ],
            at=at,
        )
        if room.acknowledged_by_id is None and room.severity in paging.PAGED:
            paging.page(room, actor=MACHINE, reason="a rollback leg failed", at=at)
    return rooms.belongs(move, room)


def further(rollback: int) -> Incident | None:
    """Nothing to record yet: open pages of the room look again."""
    room = _room(rollback)
    if room is not None:
        timeline.notify(room.ref, *REGIONS)
    return room


def _room(rollback: int) -> Incident | None:
    """The room a rollback was recorded in, if any yet."""
    found = MachineMove.objects.filter(kind="rollback", object_id=rollback).select_related("incident").first()
    return found.incident if found is not None else None
