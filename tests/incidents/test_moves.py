"""What the machine does becomes the record, once, whoever was looking."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from accounts import clock
from accounts.actors import Surface
from accounts.errors import OperationRefused
from incidents.models import Acknowledgement, Incident, MachineMove, Notice, Owed, TimelineEntry
from incidents.operations import acknowledge, contain, exits, moves, owed, resolve, timeline
from incidents.operations.postmortems import closing, draft, edit
from rollouts import signals
from rollouts.models import Deployment
from rollouts.operations import kill_switch, legs
from rollouts.operations.roll_back import roll_back
from rollouts.operations.roll_forward import roll_forward
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, nobody_listening, on_call, resolved, someone
from tests.factories.rollouts import activate, running, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment(db: None) -> Deployment:
    return running("2.0.0", "2.1.0")


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Any) -> Any:
    """``with committing(): …`` runs what waits for the commit at the end of the block."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def told(room: Incident, kind: str) -> list[TimelineEntry]:
    return list(room.timeline.filter(kind=kind).order_by("sequence"))


def test_a_rollback_with_nothing_open_opens_an_incident_that_owes_its_investigation(
    deployment: Deployment, committing: Any
) -> None:
    with committing():
        rollback, _ = roll_back(deployment, actor=machine(), reason="schema errors")
    room = Incident.objects.get()
    assert (room.severity, room.deployment) == ("SEV3", deployment)
    assert room.title.startswith("Manual rollback")
    assert room.owed.get().kind == Owed.Kind.INVESTIGATION
    assert room.contained_at == rollback.flipped_at
    assert room.status == "contained"
    assert room.step == "detect"
    assert room.acknowledged_at is None
    assert signals.incident_of("rollback", rollback.pk) == room.ref
    assert timeline.first_broken(room) is None


def test_a_rollback_belongs_to_the_room_it_was_pressed_in(deployment: Deployment, committing: Any) -> None:
    worst, room = incident(deployment, severity="SEV1"), incident(deployment, severity="SEV4")
    with committing():
        rollback = contain.roll_back(room, actor=machine())
    assert moves.incident_of("rollback", rollback.pk) == room.ref
    room.refresh_from_db()
    worst.refresh_from_db()
    assert room.contained_at is not None
    assert worst.contained_at is None
    assert f"recorded in {room.ref}" in told(worst, "rollback")[0].text


def test_a_rollback_from_elsewhere_belongs_to_the_worst_then_newest_open_incident(
    deployment: Deployment, committing: Any
) -> None:
    incident(deployment, severity="SEV2")
    newest = incident(deployment, severity="SEV2")
    incident(deployment, severity="SEV3")
    incident(running("1.0.0", "1.1.0", key="other"), severity="SEV1")
    with committing():
        rollback, _ = roll_back(deployment, actor=machine())
    assert moves.incident_of("rollback", rollback.pk) == newest.ref
    assert TimelineEntry.objects.filter(source=f"rollback:{rollback.pk}").count() == 3
    assert Incident.objects.count() == 4


def test_a_rollback_in_a_room_owes_its_investigation_once_until_it_is_given(
    deployment: Deployment, committing: Any
) -> None:
    room = incident(deployment)
    with committing():
        contain.stop(room, actor=machine(), scope="writes")
    assert not room.owed.exists()  # a stop reverts nothing that has to be looked into
    with committing():
        first = contain.roll_back(room, actor=machine())
        roll_forward(deployment, actor=person(), pressed_in=room.ref)
        contain.roll_back(room, actor=machine())
    assert [debt.about for debt in room.owed.all()] == [f"rollback:{first.pk}"]
    owed.settle(room, Owed.Kind.INVESTIGATION, actor=person(), answer="A schema.", at=clock.now())
    with committing():
        roll_forward(deployment, actor=person(), pressed_in=room.ref)
        again = contain.roll_back(room, actor=machine())
    assert [debt.about for debt in room.owed.filter(given_at=None)] == [f"rollback:{again.pk}"]


def test_an_investigation_that_is_owed_delays_no_resolving(deployment: Deployment, committing: Any) -> None:
    room = incident(deployment)
    with committing():
        contain.roll_back(room, actor=person())
    assert not any("nvestigat" in order for order in exits.unmet(room, "resolve"))


def test_a_drill_practises_and_owes_no_investigation(deployment: Deployment, committing: Any) -> None:
    drill = incident(deployment)
    Incident.objects.filter(pk=drill.pk).update(kind=Incident.Kind.DRILL)
    with committing():
        contain.roll_back(drill, actor=person())
    assert not drill.owed.exists()


def test_a_page_begun_before_the_rollback_is_asked_its_questions(deployment: Deployment, committing: Any) -> None:
    room = incident(deployment)
    page = draft.begin(room, actor=person())
    edit.add_row(page, "escapes", actor=person(), values={"question": "tests", "answer": "No case had one."})
    with committing():
        contain.roll_back(room, actor=person())
    answers = dict(page.escapes.values_list("question", "answer"))
    assert answers == {"canary": "", "tests": "No case had one.", "change": "", "wave": ""}


def test_a_rollback_opens_again_what_was_closed_without_a_postmortem(deployment: Deployment, committing: Any) -> None:
    room = resolved(incident(deployment))  # triage is still open, so the room is
    closing.skip(room, actor=person(), reason="A test of the monitor.")
    with committing():
        contain.roll_back(room, actor=person())
    room.refresh_from_db()
    assert room.document_skipped_at is None
    assert room.timeline.filter(text__startswith="The postmortem is open again").exists()
    with pytest.raises(OperationRefused, match="owes its investigation"):
        closing.skip(room, actor=person(), reason="A test of the monitor.")


def test_a_resolved_incident_is_not_reused(deployment: Deployment, committing: Any) -> None:
    old = incident(deployment)
    contain.waive(old, actor=person(), reason="nothing to stop")
    resolve.resolve(old, actor=person(), origin="user_side", resolution="They stopped.", no_case_reason="Not ours.")
    with committing():
        rollback, _ = roll_back(deployment, actor=person())
    assert moves.incident_of("rollback", rollback.pk) != old.ref


def test_a_persons_press_acknowledges_with_an_entry_of_its_own(deployment: Deployment, committing: Any) -> None:
    room, presser = incident(deployment), person(surface=Surface.CLI)
    with committing():
        rollback = contain.roll_back(room, actor=presser)
    room.refresh_from_db()
    assert room.acknowledged_by == presser.user
    assert room.acknowledged_at == rollback.flipped_at
    assert Acknowledgement.objects.get().surface == "cli"
    entry = told(room, "acknowledged")[0]
    assert (entry.user, entry.actor_kind) == (presser.user, "person")


def test_a_persons_press_leaves_the_holder_alone(deployment: Deployment, committing: Any) -> None:
    room, holder = incident(deployment), person()
    acknowledge.acknowledge(room, actor=holder)
    with committing():
        contain.roll_back(room, actor=person())
    room.refresh_from_db()
    assert room.acknowledged_by == holder.user
    assert Acknowledgement.objects.count() == 1


def test_a_tokens_press_never_acknowledges(deployment: Deployment, committing: Any) -> None:
    room = incident(deployment)
    with committing():
        contain.roll_back(room, actor=machine())
        contain.stop(room, actor=machine(), scope="writes")
    room.refresh_from_db()
    assert room.acknowledged_at is None
    assert not Acknowledgement.objects.exists()


def test_recording_twice_changes_nothing(deployment: Deployment, committing: Any) -> None:
    with committing():
        rollback, _ = roll_back(deployment, actor=person())
    before = (TimelineEntry.objects.count(), Notice.objects.count(), Incident.objects.count())
    room = moves.record("rollback", rollback.pk)
    assert room is not None
    assert (TimelineEntry.objects.count(), Notice.objects.count(), Incident.objects.count()) == before


def test_the_notice_says_from_to_when_who_and_why_to_all_but_the_one_who_pressed(
    deployment: Deployment, committing: Any
) -> None:
    presser, mara = person(), someone("Mara")
    on_call(mara)
    assert presser.user is not None
    on_call(presser.user)
    with committing():
        rollback, _ = roll_back(deployment, actor=presser, reason="twice the refunds")
    notice = Notice.objects.get()
    assert notice.destination == "email:mara@example.com"
    for wanted in (
        "From: 2.1.0",
        "To: 2.0.0",
        f"{rollback.flipped_at:%H:%M:%S} UTC",
        presser.label,
        "twice the refunds",
    ):
        assert wanted in notice.body


def test_a_second_press_from_another_room_is_contained_by_the_standing_rollback(
    deployment: Deployment, committing: Any
) -> None:
    first, second, presser = incident(deployment), incident(deployment), person()
    with committing():
        one = contain.roll_back(first, actor=machine())
    with committing():
        two = contain.roll_back(second, actor=presser)
        contain.roll_back(second, actor=presser)
        contain.roll_back(first, actor=presser)
    assert one == two
    second.refresh_from_db()
    assert second.contained_at is not None
    assert second.acknowledged_by == presser.user
    assert len(told(second, "contained")) == 1
    assert not told(first, "contained")


def test_a_stop_contains_and_its_release_is_told_in_the_same_room(deployment: Deployment, committing: Any) -> None:
    room, presser = incident(deployment), person()
    with committing():
        contain.stop(room, actor=presser, scope="writes", reason="double refunds", fallback="To a human")
    room.refresh_from_db()
    assert room.contained_at is not None
    assert room.acknowledged_by == presser.user
    assert "To a human" in told(room, "stop")[0].text
    with committing():
        contain.release(room, actor=presser, scope="writes", reason="fixed")
    assert "fixed" in told(room, "release")[0].text
    with pytest.raises(OperationRefused, match="Nothing is stopped"):
        contain.release(room, actor=presser, scope="writes")


def test_a_stop_pressed_in_two_rooms_contains_both(deployment: Deployment, committing: Any) -> None:
    first, second = incident(deployment), incident(deployment)
    with committing():
        contain.stop(first, actor=machine(), scope="whole")
    with committing():
        contain.stop(second, actor=machine(), scope="whole")
    second.refresh_from_db()
    assert second.contained_at is not None


def test_a_stop_with_nothing_open_opens_an_incident(deployment: Deployment, committing: Any) -> None:
    with committing():
        kill_switch.stop(deployment, actor=person(), scope="whole", reason="regulator")
    assert Incident.objects.get().title.startswith("Manual stop")


def test_rolling_forward_takes_the_containment_back(deployment: Deployment, committing: Any) -> None:
    room, other = incident(deployment), incident(deployment)
    with committing():
        contain.roll_back(room, actor=machine())
    with committing():
        contain.roll_forward(room, actor=person(), reason="it was the tool")
    room.refresh_from_db()
    assert room.contained_at is None
    assert "2.0.0 → 2.1.0: it was the tool" in told(room, "roll_forward")[0].text
    assert told(other, "roll_forward")


def test_rolling_forward_leaves_what_a_stop_still_contains(deployment: Deployment, committing: Any) -> None:
    room = incident(deployment)
    with committing():
        contain.roll_back(room, actor=machine())
        contain.stop(room, actor=machine(), scope="whole")
    with committing():
        contain.roll_forward(room, actor=person())
    room.refresh_from_db()
    assert room.contained_at is not None


def test_rolling_forward_leaves_a_resolved_incident_contained(deployment: Deployment, committing: Any) -> None:
    room, presser = incident(deployment), person()
    with committing():
        rollback = contain.roll_back(room, actor=presser)
        for leg in rollback.legs.all():
            if not leg.is_closed:
                legs.close(leg, actor=presser, state="done")
    resolve.resolve(room, actor=presser, origin="hot_edit", resolution="Back on 2.0.0.", no_case_reason="c")
    with committing():
        contain.roll_forward(room, actor=presser)
    room.refresh_from_db()
    assert room.contained_at is not None
    assert told(room, "roll_forward")


def test_a_leg_closed_by_a_person_is_told_once_and_under_their_name(deployment: Deployment, committing: Any) -> None:
    room, presser = incident(deployment), person(surface=Surface.CLI)
    with committing():
        rollback = contain.roll_back(room, actor=presser)
    leg = next(leg for leg in rollback.legs.all() if not leg.is_closed)
    with committing():
        legs.close(leg, actor=presser, state="waived", reason="no such cache")
    moves.record("leg", leg.pk)
    entry = told(room, "leg")[0]
    assert "waived: no such cache" in entry.text
    assert (entry.user, entry.surface) == (presser.user, "cli")
    assert len(told(room, "leg")) == 1


def test_a_promotion_is_told_in_every_open_incident_of_its_deployment(deployment: Deployment, committing: Any) -> None:
    room, elsewhere = incident(deployment), incident(running("9.0.0", key="other"))
    with committing():
        activate(version(label="2.2.0"))
    assert "Promoted 2.2.0" in told(room, "promotion")[0].text
    assert not told(elsewhere, "promotion")


def test_a_promotion_with_nothing_open_opens_nothing(deployment: Deployment, committing: Any) -> None:
    with committing():
        made = activate(version(label="2.2.0"))
    assert not Incident.objects.exists()
    assert MachineMove.objects.get(kind="promotion", object_id=made.pk).incident is None


def test_the_sweep_records_what_no_receiver_saw(deployment: Deployment, committing: Any) -> None:
    moves.sweep()
    presser = person()
    with nobody_listening(), committing():
        rollback, _ = roll_back(deployment, actor=presser)
        leg = next(leg for leg in rollback.legs.all() if not leg.is_closed)
        legs.close(leg, actor=presser, state="done")
        stopped = kill_switch.stop(deployment, actor=presser, scope="writes")
        kill_switch.release(stopped, actor=presser)
        roll_forward(deployment, actor=presser)
        activate(version(label="2.2.0"))
    assert not Incident.objects.exists()
    assert moves.sweep() == 7  # a rollback, leg, stop, release, roll forward; a promotion in staging and one in prod
    room = Incident.objects.get()
    for kind in ("rollback", "leg", "stop", "release", "roll_forward", "promotion"):
        assert len(told(room, kind)) == 1
    assert timeline.first_broken(room) is None
    assert moves.sweep() == 0


def test_a_move_that_cannot_be_recorded_does_not_keep_the_others(deployment: Deployment, committing: Any) -> None:
    other = running("1.0.0", "1.1.0", key="other")
    moves.sweep()
    with nobody_listening(), committing():
        bad, _ = roll_back(deployment, actor=machine())
        good, _ = roll_back(other, actor=machine())
    with connection.cursor() as cursor:  # a record that PostgreSQL refuses to write
        refused = f"object_id <> {bad.pk} OR kind <> 'rollback'"
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE incidents_machinemove ADD CONSTRAINT poisoned CHECK ({refused})")
    moves.sweep()
    assert moves.incident_of("rollback", good.pk) is not None
    assert moves.incident_of("rollback", bad.pk) is None


def test_the_incident_of_a_move_nobody_recorded_is_none() -> None:
    assert signals.incident_of("rollback", 404) is None
