"""Incidents begin, and somebody has them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection

from accounts import clock
from accounts.errors import NotFound, NotPermitted, OperationRefused
from incidents.models import Acknowledgement, Incident
from incidents.operations import (
    acknowledge,
    declare,
    timeline,
)
from tests.clock import MovableClock
from tests.factories.accounts import CLOCKWORK, machine, person
from tests.factories.incidents import incident, last, someone
from tests.factories.rollouts import deployment as a_deployment

pytestmark = pytest.mark.django_db


def test_declaring_numbers_the_incident_and_writes_who_said_what() -> None:
    actor, about = person(), a_deployment()
    began = clock.now() - timedelta(hours=2)
    room = declare.declare(
        actor=actor, title=" Refunds twice ", severity="SEV2", deployment=about, started_at=began, note="EU only"
    )
    assert room.ref.startswith("INC-")
    assert (room.title, room.severity, room.started_at) == ("Refunds twice", "SEV2", began)
    assert (room.step, room.status) == ("detect", "open")
    assert [entry.kind for entry in room.timeline.order_by("sequence")] == ["declared", "note"]
    assert last(room).user == actor.user


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 301}, "300"),
        ({"severity": "SEV9"}, "severity"),
        ({"detection_source": "tarot"}, "detection source"),
        ({"started_at": datetime.fromisoformat("2999-01-01T00:00:00+00:00")}, "future"),
    ],
)
def test_declaring_refuses_what_does_not_fit(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(OperationRefused, match=sentence) as refusal:
        declare.declare(actor=person(), **{"title": "t", **wrong})  # type: ignore[arg-type]
    assert refusal.value.status == 422
    assert not Incident.objects.exists()


def test_a_person_acknowledges_and_triage_begins() -> None:
    room, actor = incident(), person()
    room = acknowledge.acknowledge(room, actor=actor)
    assert room.acknowledged_by == actor.user
    assert room.step == "triage"
    assert acknowledge.acknowledge(room, actor=actor).last_sequence == room.last_sequence
    assert Acknowledgement.objects.count() == 1


def test_a_second_person_is_told_who_has_it() -> None:
    room = incident()
    acknowledge.acknowledge(room, actor=person(name="Mara"))
    with pytest.raises(OperationRefused, match=r"Mara acknowledged INC-\d+ at \d\d:\d\d:\d\d UTC"):
        acknowledge.acknowledge(room, actor=person())


@pytest.mark.parametrize("who", ["token", "clock"])
def test_nothing_but_a_person_acknowledges(who: str) -> None:
    with pytest.raises(NotPermitted, match="Only a person can acknowledge"):
        acknowledge.acknowledge(incident(), actor=machine() if who == "token" else CLOCKWORK)


def test_after_a_lapse_another_person_holds_it_and_the_first_time_stays() -> None:
    room = acknowledge.acknowledge(incident(), actor=person())
    first = room.acknowledged_at
    room.acknowledgements.update(lapsed_at=clock.now())
    Incident.objects.filter(pk=room.pk).update(acknowledged_by=None)
    other = person()
    room = acknowledge.acknowledge(room, actor=other)
    assert room.acknowledged_at == first
    assert room.acknowledged_by == other.user


def test_an_acknowledge_link_shows_without_acting_and_acts_when_pressed() -> None:
    room, mara = incident(), someone("Mara")
    secret = acknowledge.make_link(room, mara)
    assert acknowledge.find_link(secret).user == mara
    room.refresh_from_db()
    assert room.acknowledged_at is None
    assert acknowledge.use_link(secret).acknowledged_by == mara
    assert acknowledge.use_link(secret).acknowledged_by == mara
    assert Acknowledgement.objects.count() == 1


def test_an_acknowledge_link_lasts_thirty_minutes(noon: datetime, clock: MovableClock) -> None:
    secret = acknowledge.make_link(incident(), someone("Mara"))
    clock.advance(minutes=29)
    acknowledge.find_link(secret)
    clock.advance(minutes=2)
    with pytest.raises(OperationRefused, match="expired") as refusal:
        acknowledge.use_link(secret)
    assert refusal.value.status == 410


def test_a_link_of_somebody_who_left_and_an_invented_one_are_not_known() -> None:
    room, mara = incident(), someone("Mara")
    secret = acknowledge.make_link(room, mara)
    mara.is_active = False
    mara.save()
    for wrong in (secret, "lga_invented", ""):
        with pytest.raises(NotFound):
            acknowledge.use_link(wrong)


@pytest.mark.django_db(transaction=True)
def test_of_eight_people_acknowledging_at_once_one_has_it() -> None:
    room, people = incident(), [person() for _ in range(8)]
    barrier, outcomes = threading.Barrier(8), list[str]()

    def press(index: int) -> None:
        try:
            barrier.wait(10)
            acknowledge.acknowledge(room, actor=people[index])
            outcomes.append("has it")
        except OperationRefused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["has it"] + ["refused"] * 7
    assert Acknowledgement.objects.count() == 1
    room.refresh_from_db()
    assert room.timeline.filter(kind="acknowledged").count() == 1
    assert timeline.first_broken(room) is None
