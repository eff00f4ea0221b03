"""What the machine does about legs, in the room: closed, stuck, shown, verified."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client

from accounts import clock
from accounts.models import SiteRole
from incidents.models import Incident, Notice, Page, TimelineEntry
from incidents.operations import contain, delivery, moves
from rollouts.models import Rollback
from rollouts.operations import drain, leg_work
from rollouts.operations.roll_back import roll_back
from tests import hooks
from tests.factories.accounts import UserFactory, machine, person
from tests.factories.connectors import webhook
from tests.factories.incidents import incident, on_call
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]


def entries(room: Incident) -> list[str]:
    return list(room.timeline.filter(kind=TimelineEntry.Kind.LEG).values_list("text", flat=True))


def contained(severity: str = "SEV2") -> tuple[Incident, Rollback]:
    room = incident(running("1.0.0", "2.0.0"), severity=severity)
    return room, contain.roll_back(room, actor=person())


def test_a_leg_that_the_machine_closed_is_told_once_as_automation(loopback: None) -> None:
    with hooks.listening() as hook:
        webhook(hook)
        room, _ = contained()
        moves.sweep()
        leg_work.work_due()
    moves.sweep()
    moves.sweep()
    assert entries(room) == ["Leg semantic cache: done: Everything asked was done; see the evidence."]
    entry = room.timeline.get(kind="leg")
    assert (entry.actor_kind, entry.actor_label) == ("automation", "Lastgood")


def test_a_leg_that_is_stuck_is_told_to_those_concerned_and_pages_where_nobody_has_it(loopback: None) -> None:
    sleeper = UserFactory()
    on_call(sleeper)
    with hooks.listening(status=500) as hook:
        webhook(hook, repeat="ask")
        where = running("1.0.0", "2.0.0")
        room = incident(where, severity="SEV1")
        Page.objects.all().delete()
        roll_back(where, actor=machine())
        moves.sweep()
        leg_work.work_due()
    moves.sweep()
    moves.sweep()
    (text,) = entries(room)
    assert text.startswith("Leg semantic cache blocked: webhook 0: It answered 500")
    assert Notice.objects.filter(subject__contains="A rollback leg is stuck").count() == 1
    assert Page.objects.filter(incident=room, reason="a rollback leg failed").count() == 1


def test_an_incident_that_somebody_has_is_not_paged_again_for_a_stuck_leg(loopback: None) -> None:
    on_call(UserFactory())
    with hooks.listening(status=500) as hook:
        webhook(hook, repeat="ask")
        contained("SEV1")
        moves.sweep()
        leg_work.work_due()
    moves.sweep()
    assert not Page.objects.filter(reason="a rollback leg failed").exists()


def test_the_room_shows_what_the_machine_found_and_offers_retry_and_verify(loopback: None) -> None:
    user = UserFactory(roles=[SiteRole.RESPONDER])
    client = Client()
    client.force_login(user)
    with hooks.listening() as hook, hooks.listening(status=500) as broken:
        webhook(hook)
        webhook(broken, "prefix_cache", repeat="ask")
        room, made = contained()
        moves.sweep()
        leg_work.work_due()
        moves.sweep()
        page = client.get(f"/i/{room.ref}/contain/").content.decode()
        assert f"/rollbacks/{made.pk}/" in page
        assert "No stored run of 2.0.0" in page, "what was found out about an open leg"
        assert "Retry<span" in page
        assert "Verify<span" in page
        broken.status = 200
        client.post(f"/i/{room.ref}/legs/prefix_cache/", {"verb": "retry"})
        leg_work.work_due(clock.now() + timedelta(seconds=1))
    assert made.legs.get(kind="prefix_cache").state == "done"
    client.post(f"/i/{room.ref}/legs/prefix_cache/", {"verb": "verify"})
    assert made.legs.get(kind="prefix_cache").verified_by == user


def test_a_rollback_says_when_the_first_notice_of_it_had_left() -> None:
    on_call(UserFactory())
    _, made = contained()
    moves.sweep()
    stages = {stage.name: stage for stage in drain.stages(made)}
    assert (stages["notify"].at, stages["notify"].says) == (None, "no notice has left yet")
    delivery.send_due()
    notify = drain.stages(made)[-1]
    assert notify.at is not None
    assert notify.at >= made.flipped_at
    assert notify.says.startswith("the first notice left at")
