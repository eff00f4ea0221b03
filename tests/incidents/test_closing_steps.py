"""Triage, waiver, resolving, documenting, reopening: what closes a step, and everything that is refused."""

from __future__ import annotations

import pytest

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Alert, Incident, Integration, Owed
from incidents.operations import (
    acknowledge,
    contain,
    declare,
    deployment,
    duty,
    moves,
    note,
    reopen,
    resolve,
    severity,
    triage,
)
from incidents.operations.postmortems import closing, draft
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, last, on_call, resolved, someone, written
from tests.factories.rollouts import deployment as a_deployment
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


def test_triage_answers_are_recorded_when_they_change_and_close_the_step() -> None:
    room = acknowledge.acknowledge(incident(), actor=person())
    room = triage.answer(room, actor=person(), rollback_answer="stop_the_bleed")
    assert last(room).text == "Rolling back would: stop the bleed"
    assert triage.answer(room, actor=person(), rollback_answer="stop_the_bleed").last_sequence == room.last_sequence
    with pytest.raises(OperationRefused, match="Choose a branch") as refusal:
        triage.close(room, actor=person())
    assert refusal.value.details == {"reasons": ["Choose a branch."]}
    triage.answer(room, actor=person(), branch="version", diagnosis="spec_gap")
    room = triage.close(room, actor=person())
    assert room.step == "contain"
    with pytest.raises(OperationRefused, match="done already"):
        triage.close(room, actor=person())
    with pytest.raises(OperationRefused, match="done already"):
        triage.skip(room, actor=person(), reason="r")


@pytest.mark.parametrize("wrong", [{"rollback_answer": "maybe"}, {"branch": "moon"}, {"diagnosis": "flu"}])
def test_triage_refuses_answers_it_does_not_know(wrong: dict[str, str]) -> None:
    with pytest.raises(OperationRefused, match="Choose one of"):
        triage.answer(incident(), actor=person(), **wrong)  # type: ignore[arg-type]


def test_triage_is_skipped_for_a_reason_that_stays() -> None:
    room = acknowledge.acknowledge(incident(), actor=person())
    with pytest.raises(OperationRefused, match="Say why"):
        triage.skip(room, actor=person(), reason=" ")
    room = triage.skip(room, actor=person(), reason="regulator's order")
    assert room.step == "contain"
    with pytest.raises(OperationRefused, match="regulator's order"):
        triage.skip(room, actor=person(), reason="again")


def test_working_triage_keeps_all_of_it_or_nothing() -> None:
    room = incident()
    with pytest.raises(OperationRefused, match="Choose a branch"):
        triage.work(room, actor=person(), rollback_answer="not_help", close_step=True)
    room.refresh_from_db()
    assert room.rollback_answer == ""
    with pytest.raises(OperationRefused, match="Either"):
        triage.work(room, actor=person(), close_step=True, skip_reason="r")
    done = triage.work(room, actor=person(), rollback_answer="not_help", branch="tool", close_step=True)
    assert done.triaged_at is not None


def test_containment_is_waived_by_a_person_for_a_reason() -> None:
    room = incident()
    with pytest.raises(NotPermitted):
        contain.waive(room, actor=machine(), reason="r")
    with pytest.raises(OperationRefused, match="Say why"):
        contain.waive(room, actor=person(), reason="")
    room = contain.waive(room, actor=person(), reason="no harm")
    assert room.containment_waived_at is not None
    with pytest.raises(OperationRefused, match="no harm"):
        contain.waive(room, actor=person(), reason="again")


def test_what_is_contained_needs_no_waiver() -> None:
    room = incident()
    Incident.objects.filter(pk=room.pk).update(contained_at=clock.now())
    with pytest.raises(OperationRefused, match="contained already"):
        contain.waive(room, actor=person(), reason="r")


def test_containing_needs_to_know_which_agent() -> None:
    room = declare.declare(actor=person(), title="Something")
    for press in (
        lambda: contain.roll_back(room, actor=person()),
        lambda: contain.roll_forward(room, actor=person()),
        lambda: contain.stop(room, actor=person(), scope="whole"),
        lambda: contain.release(room, actor=person(), scope="whole"),
    ):
        with pytest.raises(OperationRefused, match="which agent"):
            press()


def test_a_viewer_on_call_may_contain_and_another_may_not() -> None:
    room = incident(running("1.0.0", "1.1.0"))
    viewer = person(SiteRole.VIEWER)
    with pytest.raises(NotPermitted):
        contain.roll_back(room, actor=viewer)
    assert viewer.user is not None
    on_call(viewer.user)
    assert contain.roll_back(room, actor=viewer).to_version.label == "1.0.0"


def test_resolving_frees_the_alerts_keys() -> None:
    room = incident()
    integration = Integration.objects.create(source="generic", name="g", digest="d", hint="h")
    at = clock.now()
    alert = Alert.objects.create(
        integration=integration,
        incident=room,
        dedup_key="k",
        title="t",
        started_at=at,
        first_received_at=at,
        last_received_at=at,
        content_digest="c",
        grouped_by="test",
    )
    room = resolved(room)
    alert.refresh_from_db()
    assert alert.closed_at is not None
    assert ([str(cause) for cause in room.causes.live()], room.status) == (["User side (known)"], "resolved")
    with pytest.raises(OperationRefused, match="resolved already"):
        resolve.resolve(room, actor=person(), origin="unknown", resolution="again")


def test_resolving_is_refused_with_every_exit_that_is_unmet() -> None:
    room = incident(owed=[(Owed.Kind.SEVERITY, "Set the severity"), (Owed.Kind.INVESTIGATION, "Investigate")])
    with pytest.raises(OperationRefused) as refusal:
        resolve.resolve(room, actor=person(), origin="hot_edit", resolution="r")
    reasons = refusal.value.details["reasons"]
    assert len(reasons) == 3
    assert "waive containment" in reasons[0]
    assert reasons[1] == "Set the severity."
    assert reasons[2] == "Make a case for hot edit, or say why there can be none."
    assert not room.causes.exists()  # what was refused left nothing behind


def test_resolving_is_refused_while_a_leg_is_open() -> None:
    room, actor = incident(running("1.0.0", "1.1.0")), person()
    rollback = contain.roll_back(room, actor=actor)
    moves.record("rollback", rollback.pk)
    with pytest.raises(OperationRefused, match=r"legs: .*histories"):
        resolve.resolve(room, actor=actor, origin="hot_edit", resolution="r")


@pytest.mark.parametrize(("origin", "resolution"), [("bad luck", "r"), ("hot_edit", " ")])
def test_resolving_needs_a_known_origin_and_a_resolution(origin: str, resolution: str) -> None:
    with pytest.raises(OperationRefused):
        resolve.resolve(incident(), actor=person(), origin=origin, resolution=resolution)


def test_no_machine_resolves_or_documents() -> None:
    room = incident()
    with pytest.raises(NotPermitted):
        resolve.resolve(room, actor=machine(), origin="unknown", resolution="r")
    with pytest.raises(NotPermitted):
        written(room, machine())
    with pytest.raises(NotPermitted):
        closing.skip(room, actor=machine(), reason="r")


def test_documenting_closes_the_step_and_settles_the_investigation() -> None:
    room = resolved(incident(owed=[(Owed.Kind.INVESTIGATION, "Investigate")]))
    with pytest.raises(OperationRefused, match="investigation"):
        closing.skip(room, actor=person(), reason="It was small enough.")
    draft.begin(room, actor=person())
    with pytest.raises(OperationRefused, match="Write the root cause") as refusal:
        closing.close(room, actor=person())
    assert len(refusal.value.details["reasons"]) == 4  # the resolution is known from resolving
    room = written(room, person())
    assert room.documented_at is not None
    assert room.postmortem.texts()["impact"] == "418 refunds."
    assert room.owed.get().answer == "A tool schema."
    with pytest.raises(OperationRefused, match="written already"):
        closing.close(room, actor=person())
    with pytest.raises(OperationRefused, match="signed off"):
        written(room, person())
    with pytest.raises(OperationRefused, match="written already"):
        closing.skip(room, actor=person(), reason="It was small enough.")


def test_the_postmortem_is_skipped_for_a_reason_that_stays() -> None:
    room = resolved(incident())
    for short, sentence in (("", "Say why"), ("a test alert  ", "at least 15 characters")):
        with pytest.raises(OperationRefused, match=sentence):
            closing.skip(room, actor=person(), reason=short)
    closing.skip(room, actor=person(), reason="A test of the monitor.")
    with pytest.raises(OperationRefused, match="A test of the monitor"):
        closing.close(room, actor=person())
    with pytest.raises(OperationRefused, match="without a postmortem"):
        written(room, person())


def closed_incident() -> Incident:
    room = acknowledge.acknowledge(incident(), actor=person())
    triage.skip(room, actor=person(), reason="clear")
    return written(resolved(room), person())


def test_a_closed_incident_is_read_only_until_it_is_reopened() -> None:
    room = closed_incident()
    assert (room.step, room.status) == ("closed", "closed")
    entry = last(room)
    for change in (
        lambda: note.add(room, actor=person(), text="x"),
        lambda: note.correct(entry, actor=person(), text="x"),
        lambda: severity.set_severity(room, actor=person(), severity="SEV1"),
        lambda: duty.assign(room, actor=person(), user=someone("Jo"), duty="scribe"),
        lambda: duty.release(room, actor=person(), duty="scribe"),
        lambda: deployment.choose(room, actor=person(), deployment=a_deployment("other")),
        lambda: triage.answer(room, actor=person(), branch="tool"),
        lambda: triage.close(room, actor=person()),
        lambda: contain.waive(room, actor=person(), reason="r"),
    ):
        with pytest.raises(OperationRefused, match=r"is closed\. Reopen it"):
            change()
    room = reopen.reopen(room, actor=person(), reason="it came back")
    assert (room.step, room.status) == ("resolve", "open")
    assert note.add(room, actor=person(), text="x").text == "x"
    assert room.postmortem.texts()["impact"] == "418 refunds."


def test_reopening_needs_a_reason_and_something_closed() -> None:
    with pytest.raises(OperationRefused, match="is open"):
        reopen.reopen(incident(), actor=person(), reason="r")
    with pytest.raises(OperationRefused, match="Say why"):
        reopen.reopen(resolved(incident()), actor=person(), reason="")
