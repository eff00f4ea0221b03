"""Notes, severity, duties, which agent: what each does, and everything it refuses."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Notice, Owed, Page
from incidents.operations import (
    acknowledge,
    declare,
    deployment,
    duty,
    note,
    severity,
)
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, last, on_call, someone
from tests.factories.rollouts import deployment as a_deployment

pytestmark = pytest.mark.django_db


def test_a_note_is_kept_as_said_and_a_correction_stands_beside_it() -> None:
    room = incident()
    wrong = note.add(room, actor=machine(), text=" EU only ")
    right = note.correct(wrong, actor=person(), text="EU and US")
    again = note.correct(right, actor=person(), text="everywhere")
    wrong.refresh_from_db()
    assert wrong.text == "EU only"
    assert right.corrects == again.corrects == wrong
    with pytest.raises(OperationRefused, match="already"):
        note.correct(wrong, actor=person(), text="everywhere")


def test_empty_and_endless_notes_are_refused() -> None:
    room = incident()
    entry = note.add(room, actor=person(), text="x")
    for text in (" ", "x" * 20_001):
        with pytest.raises(OperationRefused):
            note.add(room, actor=person(), text=text)
        with pytest.raises(OperationRefused):
            note.correct(entry, actor=person(), text=text)


def test_raising_to_sev1_wakes_whoever_is_on_call_after_the_time_to_undo(noon: datetime) -> None:
    mara = someone("Mara")
    on_call(mara)
    room = severity.set_severity(incident(severity="SEV3"), actor=person(), severity="SEV1", reason="money")
    assert room.severity == "SEV1"
    assert last(room).text == "Severity SEV3 → SEV1: money"
    page = Page.objects.get()
    assert page.user == mara
    assert page.due_at - page.created_at == timedelta(seconds=10)


def test_raising_what_somebody_has_wakes_nobody() -> None:
    on_call(someone("Mara"))
    room = acknowledge.acknowledge(incident(), actor=person())
    severity.set_severity(room, actor=person(), severity="SEV1")
    assert not Page.objects.exists()


def test_a_machine_may_raise_and_never_lower() -> None:
    room = severity.set_severity(incident(severity="SEV3"), actor=machine(), severity="SEV2")
    with pytest.raises(NotPermitted, match="Only a person can lower"):
        severity.set_severity(room, actor=machine(), severity="SEV4")
    assert severity.set_severity(room, actor=person(), severity="SEV4").severity == "SEV4"


def test_a_person_confirming_a_severity_settles_what_was_owed() -> None:
    room = incident(owed=[(Owed.Kind.SEVERITY, "Set the severity.")])
    before = room.last_sequence
    severity.set_severity(room, actor=machine(), severity="SEV3")
    assert room.owed.get().given_at is None
    room = severity.set_severity(room, actor=person(), severity="SEV3")
    assert room.owed.get().answer == "SEV3"
    assert room.last_sequence == before + 1
    assert severity.set_severity(room, actor=person(), severity="SEV3").last_sequence == room.last_sequence


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(OperationRefused, match="SEV1, SEV2, SEV3, SEV4"):
        severity.set_severity(incident(), actor=person(), severity="P1")


def test_a_duty_is_taken_handed_over_and_released() -> None:
    room, mara, jo = incident(), person(name="Mara"), someone("Jo")
    assert mara.user is not None
    duty.assign(room, actor=mara, user=mara.user, duty="commander")
    assert last(room).text == "Mara took commander"
    duty.assign(room, actor=mara, user=mara.user, duty="commander")
    duty.assign(room, actor=mara, user=jo, duty="commander")
    assert last(room).text == "Jo is commander, from Mara"
    assert [held.user for held in room.responders.filter(to_at=None)] == [jo]
    assert Notice.objects.get().destination == f"email:{jo.email}"
    duty.release(room, actor=mara, duty="commander")
    assert not room.responders.filter(to_at=None).exists()
    with pytest.raises(OperationRefused, match="Nobody is commander"):
        duty.release(room, actor=mara, duty="commander")


def test_a_duty_needs_a_responder_and_a_name() -> None:
    room = incident()
    with pytest.raises(OperationRefused, match="not a responder"):
        duty.assign(room, actor=person(), user=someone("Vi", SiteRole.VIEWER), duty="scribe")
    comms = someone("Co", SiteRole.COMMS)
    with pytest.raises(OperationRefused, match="not a responder"):
        duty.assign(room, actor=person(), user=comms, duty="commander")
    assert duty.assign(room, actor=person(), user=comms, duty="comms").last_sequence == room.last_sequence + 1
    with pytest.raises(OperationRefused, match="no duty"):
        duty.assign(room, actor=person(), user=someone("Jo"), duty="king")
    with pytest.raises(OperationRefused, match="no duty"):
        duty.release(room, actor=person(), duty="king")


def test_saying_which_agent_settles_what_was_owed() -> None:
    room = declare.declare(actor=person(), title="Something")
    owed_row = Owed.objects.create(incident=room, kind="deployment", text="Say which agent.", since=clock.now())
    about = a_deployment()
    room = deployment.choose(room, actor=person(), deployment=about)
    owed_row.refresh_from_db()
    assert room.deployment == about
    assert owed_row.answer == str(about)
    with pytest.raises(OperationRefused, match="already"):
        deployment.choose(room, actor=person(), deployment=about)
    other = a_deployment("other")
    assert deployment.choose(room, actor=person(), deployment=other).deployment == other
