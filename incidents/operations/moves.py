"""The machine's moves become the record: rollbacks, stops, releases, legs, promotions, cases, eval runs.

Each move is dealt with once, in a transaction of its own after the move has committed: the signal comes first, and
what it missed the clock finds (:func:`sweep`). ``MachineMove`` is the memory of what has been dealt with.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Exists, Min, OuterRef

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.locks import patient
from incidents.models import Incident, MachineMove, Notice, TimelineEntry
from incidents.operations import leg_moves, notices, owed, proofs, rooms, stop_record, timeline
from incidents.operations.postmortems import questions
from rollouts.models import Activation, LegEvidence, RegressionCase, Rollback, RollbackLeg, Stop
from rollouts.operations.leg_state import MACHINE

Kind = TimelineEntry.Kind
#: How far back the sweep looks; a row it cannot record is complained of for as long, then left.
SWEPT = timedelta(days=30)

logger = logging.getLogger(__name__)
_sweeping = threading.Lock()


@transaction.atomic
def record(kind: str, pk: int) -> Incident | None:
    """Write what the move ``kind`` number ``pk`` means for the record, once; the incident it belongs to.

    Asked again, also at the same time from elsewhere, it only answers.
    """
    return RECORDERS[kind](pk)


def incident_of(kind: str, pk: int) -> str | None:
    """The reference of the incident a move was recorded in; None when there is none, or not yet."""
    return MachineMove.objects.filter(kind=kind, object_id=pk).values_list("incident__ref", flat=True).first()


def told_at(kind: str, pk: int) -> datetime | None:
    """When the first notice of a move had left, to a person or a destination; None while none has."""
    entries = TimelineEntry.objects.filter(
        incident__machine_moves__kind=kind, incident__machine_moves__object_id=pk, source=f"{kind}:{pk}"
    )
    found: datetime | None = Notice.objects.filter(entry__in=entries).aggregate(first=Min("done_at"))["first"]
    return found


def sweep(at: datetime | None = None) -> int:
    """Record every move that nobody has; how many there were. Woken by the clock.

    One sweep of a process at a time, each of its waits bounded: a room that is held keeps no worker from paging.
    """
    if not _sweeping.acquire(blocking=False):
        return 0
    try:
        return _sweep(at or clock.now())
    finally:
        _sweeping.release()


def _sweep(at: datetime) -> int:
    count = 0
    for kind, pk in list(unrecorded(at)):
        try:
            _record_patiently(kind, pk)
        except OperationRefused as held:
            logger.warning("%s %s is not recorded yet: %s", kind, pk, held)
        except Exception:  # one row that cannot be recorded must not keep the others from the record
            logger.exception("could not record %s %s", kind, pk)
        else:
            count += 1
    return count


@patient("Its room is held by somebody else.")
def _record_patiently(kind: str, pk: int) -> None:
    record(kind, pk)


def unrecorded(at: datetime) -> Iterator[tuple[str, int]]:
    """(kind, pk) of the moves since ``SWEPT`` that no MachineMove names, those others depend on first."""
    since = at - SWEPT
    sources: tuple[tuple[str, models.QuerySet[models.Model]], ...] = (
        ("rollback", Rollback.objects.filter(flipped_at__gte=since)),
        ("stop", Stop.objects.filter(engaged_at__gte=since)),
        ("roll_forward", Activation.objects.filter(at__gte=since, kind=Activation.Kind.ROLL_FORWARD)),
        ("promotion", Activation.objects.filter(at__gte=since, kind=Activation.Kind.PROMOTION)),
        ("leg", RollbackLeg.objects.filter(closed_at__gte=since, closed_by__isnull=False)),
        ("leg", RollbackLeg.objects.filter(closed_at__gte=since, closed_by=None, closed_by_label=MACHINE)),
        ("leg_trouble", LegEvidence.objects.filter(at__gte=since, kind__in=["gave_up", "blocked"])),
        ("release", Stop.objects.filter(released_at__gte=since)),
        *stop_record.sources(since),
        ("case", RegressionCase.objects.filter(created_at__gte=since).exclude(incident_ref="")),
        ("eval_run", proofs.finished_runs().filter(created_at__gte=since).exclude(incident_ref="")),
    )
    for kind, rows in sources:
        named = MachineMove.objects.filter(kind=kind, object_id=OuterRef("pk"))
        for pk in rows.filter(~Exists(named)).order_by("pk").values_list("pk", flat=True):
            yield kind, pk


@transaction.atomic
def press_again(incident: Incident, move: Rollback | Stop, *, actor: Actor, at: datetime) -> Incident:
    """A press in this room found that what it asks for stands already, from elsewhere: contained by that."""
    kind = "rollback" if isinstance(move, Rollback) else "stop"
    ref = incident_of(kind, move.pk)
    source = f"{rooms.source_of(move)}:pressed"
    incident = timeline.lock(incident)
    if ref == incident.ref or incident.timeline.filter(source=source).exists():
        return incident
    rooms.contain(incident, at)
    text = f"Pressed here too; it stands since {ref}. {rooms.sentence(move)}"
    timeline.append(incident, Kind.CONTAINED, text, actor=actor, at=at, source=source, ping=rooms.PINGS)
    rooms.acknowledge_by_press(incident, actor, at)
    return incident


# -- one function per kind of move, each inside record()'s transaction ---------------------------------------------


def _rollback(pk: int) -> Incident | None:
    rollback = Rollback.objects.select_related("deployment__bundle__agent", "from_version", "to_version", "user").get(
        pk=pk
    )
    deployment, at, actor = rollback.deployment, rollback.flipped_at, rooms.actor_of(rollback)
    move, fresh = rooms.claim("rollback", pk, deployment)
    if not fresh:
        return move.incident
    title = f"Manual rollback of {deployment}: {rollback.from_version.label} → {rollback.to_version.label}"
    room = rooms.room_of(deployment, rollback.pressed_in, actor=actor, title=title, at=rollback.decided_at)
    room, entry = rooms.contained_by(room, rollback, Kind.ROLLBACK, actor=actor, at=at)
    owed.owe_investigation(room, rooms.source_of(rollback), at=at)
    questions.ask(room, at=at)
    _document_again(room, actor=actor, at=at)
    notices.tell(
        entry,
        people=notices.concerned(room, at),
        actor=actor,
        subject=f"[{room.ref}] Rolled back {deployment} to {rollback.to_version.label}",
        lines=[
            f"Rolled back: {deployment}",
            f"From: {rollback.from_version.label}",
            f"To: {rollback.to_version.label}",
            *rooms.when_who_why(rollback, at),
        ],
        at=clock.now(),
    )
    return rooms.belongs(move, room)


def _document_again(room: Incident, *, actor: Actor, at: datetime) -> None:
    """What was documented, or closed without a postmortem, did not know of this rollback: the step is open again."""
    if room.kind == Incident.Kind.DRILL or (room.documented_at is None and room.document_skipped_at is None):
        return
    room.documented_at, room.document_skipped_at, room.document_skip_reason = None, None, ""
    room.save(update_fields=["documented_at", "document_skipped_at", "document_skip_reason"])
    text = "The postmortem is open again: a rollback owes its investigation"
    timeline.append(room, Kind.NOTE, text, actor=actor, at=at, ping=("document", *rooms.PINGS))


def _stop(pk: int) -> Incident | None:
    stop = Stop.objects.select_related("kill_switch__deployment__bundle__agent", "user").get(pk=pk)
    deployment, at, actor = stop.kill_switch.deployment, stop.engaged_at, rooms.actor_of(stop)
    move, fresh = rooms.claim("stop", pk, deployment)
    if not fresh:
        return move.incident
    title = f"Manual stop of {deployment}: {stop.kill_switch.scope}"
    room = rooms.room_of(deployment, stop.pressed_in, actor=actor, title=title, at=stop.decided_at)
    room, entry = rooms.contained_by(room, stop, Kind.STOP, actor=actor, at=at)
    notices.tell(
        entry,
        people=notices.concerned(room, at),
        actor=actor,
        subject=f"[{room.ref}] Stopped {deployment}: {stop.kill_switch.scope}",
        lines=[
            f"Stopped: {deployment}, {stop.kill_switch.scope}",
            f"Customers get: {stop.fallback or 'not said'}",
            *rooms.when_who_why(stop, at),
        ],
        at=clock.now(),
    )
    stop_record.owe_comparison(room, stop, at=at)
    return rooms.belongs(move, room)


def _release(pk: int) -> Incident | None:
    stop = Stop.objects.select_related("kill_switch__deployment__bundle__agent", "released_by").get(pk=pk)
    if stop.released_by is None or stop.released_at is None:
        raise ValueError(f"stop {pk} is not released")
    room = _stop(pk)
    move, fresh = rooms.claim("release", pk, stop.kill_switch.deployment)
    if not fresh:
        return move.incident
    rooms.tell(
        room,
        stop.kill_switch.deployment,
        Kind.RELEASE,
        f"Released {stop.kill_switch.deployment}, {stop.kill_switch.scope}{rooms.because(stop.release_reason)}",
        f"release:{pk}",
        actor=rooms.as_they_acted(stop.released_by, stop.kill_switch.deployment, "release", stop=pk),
        at=stop.released_at,
    )
    return rooms.belongs(move, room)


def _roll_forward(pk: int) -> Incident | None:
    activation = _activation(pk)
    deployment = activation.deployment
    earlier = deployment.rollbacks.filter(activation_id__lt=pk, from_version_id=activation.version_id)
    undone = earlier.order_by("-pk").first()
    room = _rollback(undone.pk) if undone is not None else None
    move, fresh = rooms.claim("roll_forward", pk, deployment)
    if not fresh:
        return move.incident
    was = activation.previous.label if activation.previous else "nothing"
    told = rooms.tell(
        room,
        deployment,
        Kind.ROLL_FORWARD,
        f"Rolled forward {deployment}: {was} → {activation.version.label}{rooms.because(activation.reason)}",
        f"roll_forward:{pk}",
        actor=rooms.actor_of(activation),
        at=activation.at,
    )
    for incident in told:
        if undone is None or not incident.is_open or incident.contained_at is None:
            continue
        pressed = incident.timeline.filter(source=f"{rooms.source_of(undone)}:pressed").exists()
        if (incident == room or pressed) and not rooms.still_contained(incident, undone):
            incident.contained_at = None
            incident.save(update_fields=["contained_at"])
    return rooms.belongs(move, room)


def _promotion(pk: int) -> Incident | None:
    activation = _activation(pk)
    deployment = activation.deployment
    move, fresh = rooms.claim("promotion", pk, deployment)
    if not fresh:
        return move.incident
    was = f", was {activation.previous.label}" if activation.previous else ""
    told = rooms.tell(
        None,
        deployment,
        Kind.PROMOTION,
        f"Promoted {activation.version.label} in {deployment}{was}{rooms.because(activation.reason)}",
        f"promotion:{pk}",
        actor=rooms.actor_of(activation),
        at=activation.at,
    )
    return rooms.belongs(move, told[0] if told else None)


def _leg(pk: int) -> Incident | None:
    leg = RollbackLeg.objects.select_related("rollback__deployment__bundle__agent", "closed_by").get(pk=pk)
    room = _rollback(leg.rollback_id)
    if leg.closed_at is not None and leg.closed_by is None and leg.closed_by_label == MACHINE:
        return leg_moves.closed(leg, room)
    if leg.closed_by is None or leg.closed_at is None:
        return leg_moves.further(leg.rollback_id)  # under way, or closed with its rollback, whose entry stands for it
    move, fresh = rooms.claim("leg", pk, leg.rollback.deployment)
    if not fresh or room is None:
        return move.incident
    room = timeline.lock(room)
    timeline.append(
        room,
        Kind.LEG,
        rooms.leg_sentence(leg),
        actor=rooms.as_they_acted(
            leg.closed_by, leg.rollback.deployment, "close leg", rollback=leg.rollback_id, leg=leg.kind
        ),
        at=leg.closed_at,
        data={"leg": leg.kind, "state": leg.state},
        source=f"leg:{pk}",
        ping=rooms.PINGS,
    )
    return rooms.belongs(move, room)


def _leg_trouble(pk: int) -> Incident | None:
    row, room = leg_moves.trouble(pk)
    return leg_moves.record_trouble(row, room or _rollback(row.leg.rollback_id))


def _activation(pk: int) -> Activation:
    return Activation.objects.select_related("deployment__bundle__agent", "version", "previous", "user").get(pk=pk)


RECORDERS: dict[str, Callable[[int], Incident | None]] = {
    "rollback": _rollback,
    "stop": _stop,
    "release": _release,
    "roll_forward": _roll_forward,
    "promotion": _promotion,
    "leg": _leg,
    "stop_reason": lambda pk: stop_record.reasoned(pk, _stop),
    "restore_plan": lambda pk: stop_record.planned(pk, _stop),
    "stop_ignored": lambda pk: stop_record.ignored(pk, _stop),
    "leg_trouble": _leg_trouble,
    "in_flight": leg_moves.further,
    "case": proofs.record_case,
    "eval_run": proofs.record_run,
}
