"""Every verb of an incident: what it does, and everything it refuses."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts import clock
from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Acknowledgement, Alert, Incident, Integration, Notice, Owed, Page, TimelineEntry
from incidents.operations import (
    acknowledge,
    contain,
    declare,
    deployment,
    document,
    duty,
    exits,
    moves,
    note,
    owed,
    reopen,
    resolve,
    severity,
    timeline,
    triage,
)
from tests.clock import MovableClock
from tests.factories.accounts import CLOCKWORK, machine, person
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment as a_deployment
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db

TEXTS = {"root_cause": "A tool schema.", "impact": "418 refunds.", "resolution": "Back.", "prevention": "A case."}


def last(room: Incident) -> TimelineEntry:
    return room.timeline.order_by("sequence").last()  # type: ignore[return-value]


def resolved(room: Incident) -> Incident:
    contain.waive(room, actor=person(), reason="nothing runs")
    return resolve.resolve(room, actor=person(), origin="user_side", resolution="They stopped.")


# -- declare -------------------------------------------------------------------------------------------------------


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


# -- acknowledge ---------------------------------------------------------------------------------------------------


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


# -- note ----------------------------------------------------------------------------------------------------------


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


# -- severity ------------------------------------------------------------------------------------------------------


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


# -- duties --------------------------------------------------------------------------------------------------------


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
    with pytest.raises(OperationRefused, match="no duty"):
        duty.assign(room, actor=person(), user=someone("Jo"), duty="king")
    with pytest.raises(OperationRefused, match="no duty"):
        duty.release(room, actor=person(), duty="king")


# -- which agent ---------------------------------------------------------------------------------------------------


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


# -- triage --------------------------------------------------------------------------------------------------------


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
    for again in (lambda: triage.close(room, actor=person()), lambda: triage.skip(room, actor=person(), reason="r")):
        with pytest.raises(OperationRefused, match="done already"):
            again()


@pytest.mark.parametrize("wrong", [{"rollback_answer": "maybe"}, {"branch": "moon"}, {"diagnosis": "flu"}])
def test_triage_refuses_answers_it_does_not_know(wrong: dict[str, str]) -> None:
    with pytest.raises(OperationRefused, match="Choose one of"):
        triage.answer(incident(), actor=person(), **wrong)


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


# -- contain: waiver (presses are in test_moves) -------------------------------------------------------------------


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


# -- resolve, document, reopen -------------------------------------------------------------------------------------


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
    assert (room.origin, room.status) == ("user_side", "resolved")
    with pytest.raises(OperationRefused, match="resolved already"):
        resolve.resolve(room, actor=person(), origin="unknown", resolution="again")


def test_resolving_is_refused_with_every_exit_that_is_unmet() -> None:
    room = incident(owed=[(Owed.Kind.SEVERITY, "Set the severity"), (Owed.Kind.INVESTIGATION, "Investigate")])
    with pytest.raises(OperationRefused) as refusal:
        resolve.resolve(room, actor=person(), origin="hot_edit", resolution="r")
    reasons = refusal.value.details["reasons"]
    assert len(reasons) == 2
    assert "waive containment" in reasons[0]
    assert reasons[1] == "Set the severity."


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
        document.document(room, actor=machine(), **TEXTS)
    with pytest.raises(NotPermitted):
        document.skip(room, actor=machine(), reason="r")


def test_documenting_closes_the_step_and_settles_the_investigation() -> None:
    room = resolved(incident(owed=[(Owed.Kind.INVESTIGATION, "Investigate")]))
    with pytest.raises(OperationRefused, match="investigation"):
        document.skip(room, actor=person(), reason="small")
    with pytest.raises(OperationRefused, match="Write the root cause") as refusal:
        document.document(room, actor=person(), summary="s")
    assert len(refusal.value.details["reasons"]) == 3  # the resolution is known from resolving
    room = document.document(room, actor=person(), **TEXTS)
    assert room.documented_at is not None
    assert room.postmortem.impact == "418 refunds."
    assert room.owed.get().answer == "A tool schema."
    with pytest.raises(OperationRefused, match="written already"):
        document.document(room, actor=person(), **TEXTS)
    with pytest.raises(OperationRefused, match="written already"):
        document.skip(room, actor=person(), reason="r")


def test_the_postmortem_is_skipped_for_a_reason_that_stays() -> None:
    room = resolved(incident())
    with pytest.raises(OperationRefused, match="Say why"):
        document.skip(room, actor=person(), reason="")
    document.skip(room, actor=person(), reason="a test alert")
    with pytest.raises(OperationRefused, match="a test alert"):
        document.document(room, actor=person(), **TEXTS)


def closed_incident() -> Incident:
    room = acknowledge.acknowledge(incident(), actor=person())
    triage.skip(room, actor=person(), reason="clear")
    return document.document(resolved(room), actor=person(), **TEXTS)


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
    assert room.postmortem.impact == "418 refunds."


def test_reopening_needs_a_reason_and_something_closed() -> None:
    with pytest.raises(OperationRefused, match="is open"):
        reopen.reopen(incident(), actor=person(), reason="r")
    with pytest.raises(OperationRefused, match="Say why"):
        reopen.reopen(resolved(incident()), actor=person(), reason="")


# -- exits and the next order --------------------------------------------------------------------------------------


def test_what_closes_detect_and_contain_is_listed() -> None:
    room = incident(owed=[(Owed.Kind.SEVERITY, "Set the severity.")])
    assert len(exits.unmet(room, "detect")) == 3
    assert len(exits.unmet(room, "contain")) == 1
    assert len(exits.unmet(room, "document")) == 4
    assert exits.unmet(room, "closed") == []
    actor = person()
    room = acknowledge.acknowledge(room, actor=actor)
    assert actor.user is not None
    duty.assign(room, actor=actor, user=actor.user, duty="commander")
    severity.set_severity(room, actor=actor, severity="SEV2")
    assert exits.unmet(room, "detect") == []


def test_the_next_order_leads_through_the_steps() -> None:
    room, actor = incident(running("1.0.0", "1.1.0")), person()
    assert exits.do_next(room).verb == "acknowledge"
    room = acknowledge.acknowledge(room, actor=actor)
    assert "30-second" in str(exits.do_next(room))
    room = triage.answer(room, actor=actor, rollback_answer="stop_the_bleed")
    assert str(exits.do_next(room)) == "Roll back to 1.0.0."
    room = triage.answer(room, actor=actor, rollback_answer="not_help")
    assert "branch" in str(exits.do_next(room))
    room = triage.answer(room, actor=actor, branch="data")
    assert "Stop writes" in str(exits.do_next(room))
    assert "downstream" in str(exits.do_next(triage.answer(room, actor=actor, branch="tool")))
    assert "Filter" in str(exits.do_next(triage.answer(room, actor=actor, branch="user")))
    room = triage.answer(room, actor=actor, branch="version")
    assert exits.do_next(room).verb == "roll back"
    room = contain.waive(room, actor=actor, reason="none runs")
    assert exits.do_next(room).verb == "close triage"
    room = triage.close(room, actor=actor)
    assert exits.do_next(room).verb == "resolve"
    room = resolve.resolve(room, actor=actor, origin="unknown", resolution="r")
    assert exits.do_next(room).verb == "document"
    assert exits.do_next(document.document(room, actor=actor, **TEXTS)).verb == ""


def test_with_nothing_to_go_back_to_the_next_order_is_to_stop() -> None:
    room = acknowledge.acknowledge(incident(running("1.0.0")), actor=person())
    room = triage.answer(room, actor=person(), rollback_answer="stop_the_bleed")
    assert "Nothing to go back to" in str(exits.do_next(room))


def test_an_incident_about_no_agent_asks_which() -> None:
    room = acknowledge.acknowledge(declare.declare(actor=person(), title="t"), actor=person())
    assert "which agent" in str(exits.do_next(room))


def test_settling_what_nobody_owes_says_so() -> None:
    assert owed.settle(incident(), Owed.Kind.REASON, actor=person(), answer="a", at=clock.now()) is False


# -- the record ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE incidents_timelineentry SET text = 'nicer'",
        "DELETE FROM incidents_timelineentry",
        "TRUNCATE incidents_timelineentry CASCADE",
    ],
)
def test_the_database_refuses_to_change_the_timeline(attempt: str) -> None:
    room = incident()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match=r"append-only|Cannot (update|delete)"), transaction.atomic():
            cursor.execute(attempt)
    assert timeline.first_broken(room) is None


def test_a_change_behind_the_triggers_shows_in_the_chain() -> None:
    room = incident()
    entry = note.add(room, actor=person(), text="one")
    note.add(room, actor=person(), text="two")
    room.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE incidents_timelineentry SET text = 'nicer' WHERE id = %s", [entry.pk])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert timeline.first_broken(room) == entry.sequence


@pytest.mark.parametrize(
    "impossible",
    [
        {"resolved_at": "now"},
        {"triage_skipped_at": "now"},
        {"containment_waived_at": "now"},
        {"document_skipped_at": "now"},
        {"severity": "SEV0"},
        {"ref": "BUG-1"},
    ],
)
def test_the_database_refuses_what_must_never_be_true(impossible: dict[str, str]) -> None:
    room = incident()
    values = {name: clock.now() if value == "now" else value for name, value in impossible.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.filter(pk=room.pk).update(**values)
