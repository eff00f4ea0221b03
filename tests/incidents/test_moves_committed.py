"""Presses that commit: recorded at once, once, and never taken back by their record."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from accounts.errors import OperationRefused
from incidents.models import Acknowledgement, Incident, TimelineEntry
from incidents.operations import acknowledge, contain, moves, timeline
from rollouts import signals
from rollouts.models import Rollback
from rollouts.operations.roll_back import roll_back
from tests.factories.accounts import person
from tests.factories.incidents import incident, nobody_listening
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db(transaction=True)


def test_receiver_and_sweep_at_once_record_a_rollback_once() -> None:
    deployment = running("2.0.0", "2.1.0")
    presser = person()
    with nobody_listening():
        rollback, _ = roll_back(deployment, actor=presser)
    barrier, failures = threading.Barrier(6), list[BaseException]()

    def go() -> None:
        try:
            barrier.wait(10)
            moves.record("rollback", rollback.pk)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert Incident.objects.count() == 1
    assert TimelineEntry.objects.filter(kind="rollback").count() == 1
    assert Acknowledgement.objects.count() == 1


def test_a_committed_press_is_recorded_before_its_caller_goes_on() -> None:
    deployment, presser = running("2.0.0", "2.1.0"), person()
    rollback, _ = roll_back(deployment, actor=presser)
    ref = signals.incident_of("rollback", rollback.pk)
    assert ref is not None
    room = Incident.objects.get(ref=ref)
    assert room.acknowledged_by == presser.user
    assert room.contained_at is not None


def test_a_record_that_fails_does_not_take_the_rollback_back() -> None:
    deployment, presser = running("2.0.0", "2.1.0"), person()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE incidents_machinemove ADD CONSTRAINT poisoned CHECK (kind <> 'rollback') NOT VALID")
    try:
        rollback, fresh = roll_back(deployment, actor=presser)
        assert fresh
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE incidents_machinemove DROP CONSTRAINT poisoned")
    deployment.refresh_from_db()
    assert deployment.active == rollback.to_version
    assert not Incident.objects.exists()
    assert moves.sweep() == 1
    assert Incident.objects.exists()


def test_rollbacks_stops_and_acknowledgements_at_once_all_come_through() -> None:
    deployment = running("2.0.0", "2.1.0")
    rooms = [incident(deployment, severity=level) for level in ("SEV1", "SEV2", "SEV3")]
    people = [person() for _ in range(3)]
    barrier, failures = threading.Barrier(7), list[BaseException]()

    def doing(act: Any) -> None:
        try:
            barrier.wait(10)
            act()
        except OperationRefused:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    acts = [
        *(
            lambda room=room, who=who: contain.roll_back(room, actor=who)
            for room, who in zip(rooms, people, strict=True)
        ),
        *(lambda room=room: contain.stop(room, actor=people[0], scope="writes") for room in rooms[:2]),
        lambda: acknowledge.acknowledge(rooms[0], actor=people[1]),
        moves.sweep,
    ]
    threads = [threading.Thread(target=doing, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert Rollback.objects.count() == 1
    for room in rooms:
        assert timeline.first_broken(Incident.objects.get(pk=room.pk)) is None
        assert Incident.objects.get(pk=room.pk).contained_at is not None
