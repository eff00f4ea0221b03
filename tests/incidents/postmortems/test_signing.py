"""Publishing, signing, closing: what each needs, and that what was published never changes."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole, User
from incidents.models import Owed, PostmortemRevision, SignOff
from incidents.operations import contain, duty, moves, note, opening, reopen, resolve, severity
from incidents.operations.postmortems import actions, closing, draft, edit, publish
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, last, page_of, resolved, signed, written
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


@pytest.fixture
def mara() -> Actor:
    return person(SiteRole.COMMANDER, name="Mara")


@pytest.fixture
def jo() -> Actor:
    return person(SiteRole.APPROVER, name="Jo")


def test_the_same_page_again_is_the_revision_it_already_was(mara: Actor) -> None:
    room = incident()
    page = page_of(room, mara)
    first = publish.publish(page, actor=mara)
    assert publish.publish(page, actor=mara) == first
    assert first.digest == publish.digest_of(first.content)
    edit.save_section(page, actor=mara, name="lessons", text="Luck.", version=0)
    second = publish.publish(page, actor=mara)
    assert (second.number, second.content["sections"]["lessons"]["text"]) == (2, "Luck.")
    assert last(room).text == "Postmortem published, revision 2"


def test_a_revision_and_a_signature_never_change(mara: Actor) -> None:
    revision = publish.publish(page_of(incident(), mara), actor=mara)
    publish.sign(revision, actor=mara, role="commander")
    for rows in (PostmortemRevision.objects.all(), SignOff.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(actor_label="somebody else")
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.delete()


def test_no_machine_publishes_signs_or_closes(mara: Actor) -> None:
    room = incident()
    page = page_of(room, machine())
    with pytest.raises(NotPermitted):
        publish.publish(page, actor=machine())
    with pytest.raises(NotPermitted):
        publish.publish(page, actor=person(SiteRole.VIEWER))
    revision = publish.publish(page, actor=mara)
    with pytest.raises(NotPermitted):
        publish.sign(revision, actor=machine(), role="commander")
    with pytest.raises(NotPermitted):
        closing.close(room, actor=machine())
    with pytest.raises(NotPermitted):
        closing.close(room, actor=person(SiteRole.VIEWER))


def test_each_role_is_signed_by_who_holds_it(mara: Actor, jo: Actor) -> None:
    room, responder = incident(), person(name="Rae")
    revision = publish.publish(page_of(room, mara), actor=mara)
    with pytest.raises(OperationRefused, match="Choose one of"):
        publish.sign(revision, actor=mara, role="owner")
    for actor, role in ((responder, "commander"), (responder, "approver"), (mara, "approver"), (jo, "commander")):
        with pytest.raises(NotPermitted):
            publish.sign(revision, actor=actor, role=role)
    assert responder.user is not None
    duty.assign(room, actor=responder, user=responder.user, duty="commander")
    signature = publish.sign(revision, actor=responder, role="commander")
    assert publish.sign(revision, actor=responder, role="commander") == signature
    with pytest.raises(OperationRefused, match="Rae has signed"):
        publish.sign(revision, actor=mara, role="commander")


def test_only_the_newest_revision_is_signed(mara: Actor) -> None:
    page = page_of(incident(), mara)
    old = publish.publish(page, actor=mara)
    edit.save_section(page, actor=mara, name="lessons", text="Luck.", version=0)
    publish.publish(page, actor=mara)
    with pytest.raises(OperationRefused, match="sign revision 2"):
        publish.sign(old, actor=mara, role="commander")


def test_one_person_signs_both_roles_only_when_nobody_else_could() -> None:
    both = person(SiteRole.ADMIN, name="Ada")
    revision = publish.publish(page_of(incident(), both), actor=both)
    User.objects.exclude(pk=both.user.pk if both.user else 0).update(is_active=False)
    publish.sign(revision, actor=both, role="commander")
    other = person(SiteRole.APPROVER, name="Jo")
    with pytest.raises(OperationRefused, match="Somebody else can sign as approver: Jo"):
        publish.sign(revision, actor=both, role="approver")
    assert other.user is not None
    User.objects.filter(pk=other.user.pk).update(is_active=False)
    assert publish.sign(revision, actor=both, role="approver").role == "approver"


def test_closing_is_refused_with_every_reason(mara: Actor) -> None:
    room = opening.open_incident(
        actor=mara,
        severity="SEV2",
        title="t",
        deployment=running("1.0.0", "1.1.0"),
        owed=[(Owed.Kind.REASON, "Give the reason"), (Owed.Kind.INVESTIGATION, "Investigate")],
    )
    with pytest.raises(OperationRefused) as refusal:
        closing.close(room, actor=mara)
    assert refusal.value.details["reasons"] == [
        "Begin the postmortem: it is drafted from the record.",
        "Give the reason.",
        f"Resolve {room.ref} first: say what made it right.",
    ]
    moves.record("rollback", contain.roll_back(room, actor=mara).pk)
    page = draft.begin(room, actor=mara)
    actions.add(page, actor=mara, text="Do", kind="gate")
    for name in ("impact", "resolution"):
        row = page.sections.filter(name=name).first()
        edit.save_section(page, actor=mara, name=name, text="", version=row.version if row else 0)
    edit.save_section(page, actor=mara, name="root_cause", text="A prompt regression.", version=0)
    edit.save_page(page, actor=mara, version=1, values={"reviewed_by": "nobody"})
    with pytest.raises(OperationRefused) as refusal:
        closing.close(room, actor=mara)
    reasons = refusal.value.details["reasons"]
    for expected in (
        "Write the impact",
        "Write what resolved it",
        "Write what prevents it",
        "Answer: Why did the canary miss it?",
        "Answer: Why did the conformance tests pass?",
        "Answer: Was the change right",
        "nobody is known who reviewed it",
        "Name an owner for action 1.",
        "Set a due day for action 1.",
        "Give the reason.",
        "Publish the page.",
    ):
        assert any(expected in reason for reason in reasons), expected
    assert not any("Investigate" in reason for reason in reasons)


def test_a_verdict_answers_the_question_of_the_change_alone(mara: Actor) -> None:
    room = incident(running("1.0.0", "1.1.0"))
    moves.record("rollback", contain.roll_back(room, actor=mara).pk)
    page = draft.begin(room, actor=mara)
    for question in ("canary", "tests", "change"):
        edit.save_row(page, "escapes", question, actor=mara, version=1, values={"verdict": "spec_error"})
    with pytest.raises(OperationRefused) as refusal:
        closing.close(room, actor=mara)
    assert [reason for reason in refusal.value.details["reasons"] if reason.startswith("Answer")] == [
        "Answer: Why did the canary miss it?",
        "Answer: Why did the conformance tests pass?",
    ]


def test_a_page_is_published_and_signed_before_the_incident_is_resolved_and_closed_after(mara: Actor) -> None:
    room = incident()
    page = page_of(room, mara)
    signed(page, mara)
    with pytest.raises(OperationRefused) as refusal:
        closing.close(room, actor=mara)
    assert refusal.value.details["reasons"] == [f"Resolve {room.ref} first: say what made it right."]
    room = resolved(room)
    signed(page, mara)  # what resolved it belongs on the page
    assert closing.close(room, actor=mara).documented_at is not None


def test_two_roles_sign_a_severe_incident_and_one_a_lesser(mara: Actor, jo: Actor) -> None:
    room = resolved(incident())
    severity.set_severity(room, actor=mara, severity="SEV1")
    revision = publish.publish(page_of(room, mara), actor=mara)
    publish.sign(revision, actor=mara, role="commander")
    with pytest.raises(OperationRefused, match="signed by an approver"):
        closing.close(room, actor=mara)
    publish.sign(revision, actor=jo, role="approver")
    assert closing.close(room, actor=mara).documented_at is not None
    lesser = resolved(incident(running("1.0.0", key="search")))
    revision = publish.publish(page_of(lesser, mara), actor=mara)
    with pytest.raises(OperationRefused, match="by a commander or an approver"):
        closing.close(lesser, actor=mara)
    publish.sign(revision, actor=jo, role="approver")
    assert closing.close(lesser, actor=mara).documented_at is not None


def test_lowering_the_severity_spares_no_signature(mara: Actor) -> None:
    room = incident(severity="SEV1")
    severity.set_severity(room, actor=mara, severity="SEV3", reason="One region only.")
    room = resolved(room)
    revision = publish.publish(page_of(room, mara), actor=mara)
    publish.sign(revision, actor=mara, role="commander")
    with pytest.raises(OperationRefused, match="signed by an approver"):
        closing.close(room, actor=mara)


def test_what_changed_after_publishing_is_published_again_first(mara: Actor) -> None:
    room = resolved(incident())
    page = page_of(room, mara)
    signed(page, mara)
    note.add(room, actor=mara, text="A late note changes the record, not what was signed.")
    edit.save_section(page, actor=mara, name="lessons", text="Luck.", version=0)
    with pytest.raises(OperationRefused, match="has changed since revision 1"):
        closing.close(room, actor=mara)
    row = page.sections.get(name="lessons")
    edit.save_section(page, actor=mara, name="lessons", text="", version=row.version)
    assert closing.close(room, actor=mara).documented_at is not None


def test_after_the_close_nothing_is_published_or_signed_until_it_is_reopened(mara: Actor) -> None:
    room = written(resolved(incident()), mara)
    page, revision = room.postmortem, room.postmortem.revisions.get()
    with pytest.raises(OperationRefused, match="signed off"):
        publish.publish(page, actor=mara)
    with pytest.raises(OperationRefused, match="signed off"):
        publish.sign(revision, actor=mara, role="commander")
    reopen.reopen(room, actor=mara, reason="It came back.")
    assert edit.save_section(page, actor=mara, name="lessons", text="More.", version=0).version == 1
    assert resolve.resolve(room, actor=mara, resolution="Again.").resolved_at is not None
    assert revision.content["sections"]["lessons"]["text"] == ""


def test_closing_settles_the_investigation_with_the_root_cause(mara: Actor) -> None:
    room = resolved(incident(owed=[(Owed.Kind.INVESTIGATION, "Investigate")]))
    room = written(room, mara)
    assert room.owed.get().answer == "A tool schema."
    assert last(room).kind == "documented"


def test_a_signature_from_before_the_incident_came_back_closes_nothing(mara: Actor) -> None:
    room = written(resolved(incident()), mara)
    reopen.reopen(room, actor=mara, reason="It came back.")
    room = resolve.resolve(room, actor=mara, resolution="Again.")
    with pytest.raises(OperationRefused, match="was resolved after revision 1"):
        closing.close(room, actor=mara)
    signed(room.postmortem, mara)
    assert closing.close(room, actor=mara).documented_at is not None
