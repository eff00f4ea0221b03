"""An agent that was taken back or stopped elsewhere holds this harm too, once a person says so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Incident
from incidents.operations import acknowledge, contain, exits, moves, triage
from incidents.operations.holding import holding
from rollouts.models import Rollback, RollbackLeg
from rollouts.operations.kill_switch import engage
from rollouts.operations.roll_back import roll_back
from tests.browsers import Browser, text
from tests.callers import signed_in
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, last, someone
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


def late_alert(minutes: float = 5) -> Incident:
    """An incident that opens when its agent was taken back already; the harm began ``minutes`` before it opened."""
    deployment = running("1.0.0", "2.0.0")
    roll_back(deployment, actor=person())
    deployment.refresh_from_db()
    room = incident(deployment, started_at=clock.now() - timedelta(minutes=minutes))
    return acknowledge.acknowledge(room, actor=person())


def test_a_rollback_after_the_harm_began_contains_it_when_a_person_says_so() -> None:
    room = late_alert()
    assert room.contained_at is None  # no machine says so
    assert "Say that it is contained already" in exits.unmet(room, "contain")[0]
    room = triage.answer(room, actor=person(), rollback_answer="stop_the_bleed")
    order = exits.do_next(room)
    assert (order.verb, order.step) == ("say contained", "contain")
    assert "2.0.0 → 1.0.0" in str(order)
    with pytest.raises(NotPermitted):
        contain.say_contained(room, actor=machine())
    with pytest.raises(NotPermitted):
        contain.say_contained(room, actor=person(SiteRole.VIEWER))
    room = contain.say_contained(room, actor=person(name="Mara"))
    rollback = Rollback.objects.get()
    assert room.contained_at == max(rollback.flipped_at, room.opened_at)
    assert (last(room).kind, last(room).actor_label) == ("contained", "Mara")
    assert last(room).data == {"evidence": f"rollback:{rollback.pk}"}
    with pytest.raises(OperationRefused, match="contained already"):
        contain.say_contained(room, actor=person())


def test_a_rollback_from_before_the_harm_holds_nothing() -> None:
    room = late_alert(minutes=-1)
    assert holding(room) is None
    assert "roll back or stop" in exits.unmet(room, "contain")[0]
    with pytest.raises(OperationRefused, match="Roll back or stop the agent"):
        contain.say_contained(room, actor=person())


def test_a_stop_holds_whenever_it_was_pressed_and_the_whole_one_first() -> None:
    deployment = running("1.0.0")
    engage(deployment, actor=person(), scope="writes")
    whole, _ = engage(deployment, actor=person(), scope="whole")
    room = incident(deployment)
    assert holding(room) == whole
    assert contain.say_contained(room, actor=person()).contained_at == room.opened_at


def test_nothing_holds_an_incident_about_no_agent() -> None:
    room = incident()
    room.deployment = None
    assert holding(room) is None


def test_one_press_in_the_room_and_by_the_api() -> None:
    room, mara = late_alert(), someone("Mara")
    browser = Browser(user=mara)
    assert "Say that it is contained" in text(browser.get(f"/i/{room.ref}/contain/"))
    assert browser.press(f"/i/{room.ref}/contained/").status_code == 302
    again = signed_in(mara).post(f"/api/v1/incidents/{room.ref}/contained")
    assert (again.status_code, again.json()["error"]) == (409, f"{room.ref} is contained already.")


def test_the_legs_of_a_rollback_that_was_rolled_forward_keep_nobody() -> None:
    room, actor = incident(running("1.0.0", "2.0.0")), person()
    rollback = contain.roll_back(room, actor=actor)
    moves.record("rollback", rollback.pk)
    assert RollbackLeg.objects.filter(state="open").exists()
    assert any("legs" in order for order in exits.unmet(room, "resolve"))
    contain.roll_forward(room, actor=actor)
    moves.sweep()
    room.refresh_from_db()
    assert not any("legs" in order for order in exits.unmet(room, "resolve"))
    again = contain.roll_back(room, actor=actor)
    moves.record("rollback", again.pk)
    assert any("legs" in order for order in exits.unmet(room, "resolve"))
