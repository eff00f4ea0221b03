"""Closing without a postmortem: for a real reason, and never around what only a postmortem can settle."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import SiteRole
from incidents.models import Incident, Owed
from incidents.operations import contain, moves, resolve
from incidents.operations.postmortems import actions, closing, draft
from rollouts.operations import legs
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.incidents import incident, resolved, written
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db

REASON = "A test of the monitor."


@pytest.fixture
def mara() -> Actor:
    return person(SiteRole.COMMANDER, name="Mara")


def rolled_back_and_resolved(actor: Actor) -> Incident:
    """The normal case: an alert's incident, rolled back from its room."""
    room = incident(running("1.0.0", "1.1.0"))
    rollback = contain.roll_back(room, actor=actor)
    moves.record("rollback", rollback.pk)
    for leg in rollback.legs.filter(state="open"):
        legs.close(leg, actor=actor, state="waived", reason="nothing is kept there")
        moves.record("leg", leg.pk)
    return resolve.resolve(room, actor=actor, origin="user_side", resolution="Back.", no_case_reason="Not ours.")


def refused(room: Incident, actor: Actor) -> list[str]:
    with pytest.raises(OperationRefused) as refusal:
        closing.skip(room, actor=actor, reason=REASON)
    reasons: list[str] = refusal.value.details["reasons"]
    return reasons


def test_no_rollback_closes_without_its_questions_answered(mara: Actor) -> None:
    room = rolled_back_and_resolved(mara)
    assert refused(room, mara) == ["A rollback owes its investigation: answer its questions in the postmortem."]
    assert written(room, mara).documented_at is not None
    assert room.owed.get().given_at is not None


def test_a_rollback_recorded_before_rollbacks_owed_it_owes_its_investigation_too(mara: Actor) -> None:
    open_room, closed = rolled_back_and_resolved(mara), incident(running("1.0.0", "1.1.0", key="search"))
    rollback = contain.roll_back(closed, actor=mara)
    moves.record("rollback", rollback.pk)
    Incident.objects.filter(pk=closed.pk).update(document_skipped_at=clock.now(), document_skip_reason="Before.")
    page = draft.begin(open_room, actor=mara)
    Owed.objects.all().delete()
    page.escapes.all().delete()
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(import_module("incidents.migrations.0018_rollbacks_owe_their_investigation").FORWARD)
    assert [(debt.incident, debt.kind) for debt in Owed.objects.all()] == [(open_room, Owed.Kind.INVESTIGATION)]
    assert page.escapes.count() == 4
    assert refused(open_room, mara)


def test_nothing_is_skipped_before_it_is_resolved_or_while_something_is_owed(mara: Actor) -> None:
    room = incident(owed=[(Owed.Kind.REASON, "Give the reason")])
    assert refused(room, mara) == [f"Resolve {room.ref} first: say what made it right.", "Give the reason."]


def test_an_action_of_nobody_keeps_an_incident_open(mara: Actor) -> None:
    room = resolved(incident())
    page = draft.begin(room, actor=mara)
    action = actions.add(page, actor=mara, text="Add a gate", kind="gate")
    assert refused(room, mara) == ["Name an owner for action 1.", "Set a due day for action 1."]
    actions.save(action, actor=mara, version=1, values={"owner": mara.user, "due_on": "2026-12-01"})
    assert closing.skip(room, actor=mara, reason=REASON).document_skipped_at is not None


def test_the_form_is_armed_first_and_says_what_it_does() -> None:
    room, browser = resolved(incident()), Browser(SiteRole.COMMANDER)
    path = f"/i/{room.ref}/postmortem/"
    page = text(browser.get(path))
    assert '<details class="arm"><summary class="btn quiet">Close without postmortem …' in page
    assert "nobody will read why it happened" in page
    short = browser.press(f"/i/{room.ref}/skip/document/", reason="a test")
    assert short.status_code == 422
    assert "at least 15 characters" in text(short)
    assert browser.press(f"/i/{room.ref}/skip/document/", reason=REASON).status_code == 302
    room.refresh_from_db()
    assert room.document_skip_reason == REASON
