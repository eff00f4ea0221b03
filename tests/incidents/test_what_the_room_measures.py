"""Numbers of the room say what they mean: who was there, who said why, before or after, silence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts import clock
from incidents.models import Incident
from incidents.views.evidence import shown
from rollouts.models import Instance, Propagation, Rollback
from rollouts.telemetry.facts import Change, ChangeKind
from tests.browsers import Browser, text
from tests.factories.incidents import incident
from tests.factories.rollouts import running
from tests.spans import span, told

pytestmark = pytest.mark.django_db


def rolled_back_room() -> tuple[Incident, Browser]:
    room, browser = incident(running("1.0.0", "2.0.0")), Browser()
    browser.press(f"/i/{room.ref}/rollback/")
    return room, browser


def test_an_instance_that_first_appears_after_a_flip_is_not_one_that_the_flip_waited_for() -> None:
    room, browser = rolled_back_room()
    flip = Rollback.objects.get()
    Propagation.objects.create(activation=flip.activation, measured_at=clock.now())
    late = flip.flipped_at + timedelta(seconds=50)
    Instance.objects.create(
        deployment=flip.deployment, name="late", fetched_at=late, last_seen_at=late, epoch=flip.epoch, version_number=1
    )
    assert "no instance seen" in text(browser.get(f"/i/{room.ref}/contain/"))


def test_why_said_once_is_known_in_every_room_of_the_agent() -> None:
    room, browser = rolled_back_room()
    browser.press(f"/i/{room.ref}/why/", why="customers complained")
    second = incident(room.deployment)
    assert "customers complained</dd>" in text(browser.get(f"/i/{second.ref}/contain/"))


def test_why_of_one_rollback_is_not_taken_for_that_of_the_next() -> None:
    room, browser = rolled_back_room()
    browser.press(f"/i/{room.ref}/why/", why="customers complained")
    browser.press(f"/i/{room.ref}/rollforward/")
    browser.press(f"/i/{room.ref}/rollback/")
    assert Rollback.objects.count() == 2
    assert "Not said yet." in text(browser.get(f"/i/{room.ref}/contain/"))


@pytest.mark.parametrize(("seconds", "words"), [(-90, "1 min before"), (0, "0 s before"), (2, "2 s after")])
def test_a_change_is_said_to_lie_before_or_after(seconds: int, words: str) -> None:
    moment = clock.now()
    change = Change(
        at=moment + timedelta(seconds=seconds),
        minutes_before=max(0.0, -seconds / 60),
        kind=ChangeKind.PROMOTION,
        bundle_key="bot",
        sentence="2 replaced 1.",
        actor_label="Mara",
        actor_kind="person",
        from_label="1",
        to_label="2",
        parts=(),
        same_bundle=True,
        pk=1,
    )
    assert shown(change, moment).distance == words


@pytest.mark.parametrize(("minutes", "words"), [(5, "not known: no run for 5 min"), (0, "gone")])
def test_harm_of_an_agent_that_is_silent_is_not_called_gone(minutes: int, words: str) -> None:
    deployed = running("1.0.0", "2.0.0")
    room = incident(deployed)
    at = clock.now() - timedelta(minutes=minutes, seconds=20)
    told(
        span(
            {"lastgood.bundle": deployed.bundle.key, "lastgood.version": "2.0.0", "gen_ai.operation.name": "chat"},
            at=at,
        )
    )
    assert words in text(Browser().get(f"/i/{room.ref}/contain/?evidence=1"))
