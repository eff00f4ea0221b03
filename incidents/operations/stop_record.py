"""What becomes of a stop after its press, told in its room: why all of it, by what it comes back, and who goes on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import models

from accounts import clock
from accounts.actors import Actor
from accounts.words import duration, number
from incidents.models import Incident, Owed, TimelineEntry
from incidents.operations import notices, owed, rooms, timeline
from rollouts.models import Containment, Stop

Kind = TimelineEntry.Kind
#: The room of a stop, after making sure that the stop itself is recorded.
RoomOf = Callable[[int], Incident | None]
WATCHER = Actor.automation("the stop's watch")


def sources(since: datetime) -> tuple[tuple[str, models.QuerySet[models.Model]], ...]:
    """Where the sweep finds what no entry names yet."""
    return (
        ("stop_reason", Stop.objects.filter(reasoned_at__gte=since)),
        ("restore_plan", Stop.objects.filter(restore_planned_at__gte=since)),
        ("stop_ignored", Stop.objects.filter(engaged_at__gte=since, containment__late_acts__gt=0)),
    )


def owe_comparison(room: Incident, stop: Stop, *, at: datetime) -> None:
    """A stop of the whole agent owes its reason afterwards (R090); a drill's harms nobody."""
    if stop.owes_comparison and room.kind != Incident.Kind.DRILL:
        text = "Say why the whole agent was stopped: how much went wrong, how much right was taken with it"
        Owed.objects.get_or_create(
            incident=room, kind=Owed.Kind.REASON, about=f"stop:{stop.pk}", defaults={"text": text, "since": at}
        )


def reasoned(pk: int, room_of: RoomOf) -> Incident | None:
    """Why all of it: an entry, and the debt is settled."""
    stop = _stop(pk)
    if stop.reasoned_by is None or stop.reasoned_at is None:
        raise ValueError(f"stop {pk} has no reason")
    room = room_of(pk)
    move, fresh = rooms.claim("stop_reason", pk, stop.kill_switch.deployment)
    if not fresh or room is None:
        return move.incident
    actor = rooms.as_they_acted(stop.reasoned_by, stop.kill_switch.deployment, "give reason of stop", stop=pk)
    room = timeline.lock(room)
    owed.settle(room, Owed.Kind.REASON, actor=actor, answer=stop.wide_reason, at=stop.reasoned_at, about=f"stop:{pk}")
    text = (
        f"Why all of {stop.kill_switch.deployment}: {number(stop.wrong_share_percent, 1)} % went wrong, "
        f"{number(stop.right_share_percent, 1)} % right was stopped with it. {stop.wide_reason}"
    )
    timeline.append(
        room, Kind.NOTE, text, actor=actor, at=stop.reasoned_at, source=f"stop_reason:{pk}", ping=rooms.PINGS
    )
    return rooms.belongs(move, room)


def planned(pk: int, room_of: RoomOf) -> Incident | None:
    """By what criteria it comes back: the first plan is told, later ones stand on the stop and in the audit log."""
    stop = _stop(pk)
    if stop.restore_planned_by is None or stop.restore_planned_at is None:
        raise ValueError(f"stop {pk} has no restore plan")
    room = room_of(pk)
    move, fresh = rooms.claim("restore_plan", pk, stop.kill_switch.deployment)
    if not fresh or room is None:
        return move.incident
    due = f" Expected {stop.restore_expected_on:%d %B %Y}." if stop.restore_expected_on else ""
    timeline.append(
        timeline.lock(room),
        Kind.NOTE,
        f"Restore plan of {stop.kill_switch}: {stop.restore_criteria}{due}",
        actor=rooms.as_they_acted(stop.restore_planned_by, stop.kill_switch.deployment, "plan restore", stop=pk),
        at=stop.restore_planned_at,
        source=f"restore_plan:{pk}",
        ping=rooms.PINGS,
    )
    return rooms.belongs(move, room)


def ignored(pk: int, room_of: RoomOf) -> Incident | None:
    """Something acts long after the stop: the loudest thing that a room says after a press."""
    stop = _stop(pk)
    room = room_of(pk)
    move, fresh = rooms.claim("stop_ignored", pk, stop.kill_switch.deployment)
    if not fresh or room is None:
        return move.incident
    seen = Containment.objects.get(stop=stop)
    after = duration((seen.last_act_at or stop.engaged_at) - stop.engaged_at)
    at = clock.now()
    text = (
        f"Still running after the stop: {stop.kill_switch} acted {after} after it, "
        f"{number(seen.acting_instances)} instances. Stopping is not over. Take its keys or its network away."
    )
    entry = timeline.append(
        timeline.lock(room), Kind.STOP, text, actor=WATCHER, at=at, source=f"stop_ignored:{pk}", ping=rooms.PINGS
    )
    notices.tell(
        entry,
        people=notices.concerned(room, at),
        actor=WATCHER,
        subject=f"[{room.ref}] Still running after the stop: {stop.kill_switch.deployment}",
        lines=[text, f"Stopped: {stop.engaged_at:%H:%M:%S} UTC", f"Calls after a minute: {number(seen.late_acts)}"],
        at=at,
    )
    return rooms.belongs(move, room)


def _stop(pk: int) -> Stop:
    related = ("kill_switch__deployment__bundle__agent", "reasoned_by", "restore_planned_by")
    return Stop.objects.select_related(*related).get(pk=pk)
