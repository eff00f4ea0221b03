"""Writing the page: one row at a time, by several people, with nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import ActionItem, EscapeAnswer, Postmortem
from incidents.operations import contain, moves
from incidents.operations.postmortems import actions, draft, edit
from incidents.operations.postmortems.edit import EditConflict
from tests.factories.accounts import UserFactory, machine, person
from tests.factories.incidents import incident, last, resolved, written
from tests.factories.rollouts import running, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def mara() -> Actor:
    return person(name="Mara")


@pytest.fixture
def page(mara: Actor) -> Postmortem:
    return draft.begin(incident(), actor=mara)


def test_a_section_is_saved_with_the_version_that_was_read(page: Postmortem, mara: Actor) -> None:
    section = edit.save_section(page, actor=mara, name="lessons", text="Luck.\r\nMore.", version=0)
    assert (section.text, section.version, section.updated_by, section.is_draft) == (
        "Luck.\nMore.",
        1,
        mara.user,
        False,
    )
    assert edit.save_section(page, actor=mara, name="lessons", text="Skill.", version=1).version == 2


def test_saving_what_stands_changes_nothing_whatever_was_read(page: Postmortem, mara: Actor) -> None:
    edit.save_section(page, actor=mara, name="lessons", text="Luck.", version=0)
    again = edit.save_section(page, actor=person(name="Jo"), name="lessons", text="Luck.", version=0)
    assert (again.version, again.updated_by) == (1, mara.user)
    row = edit.save_row(page, "variables", "prompt", actor=mara, version=7, values={"moved": "unknown"})
    assert row.version == 1


def test_a_conflict_shows_both_texts_and_whose_they_are(page: Postmortem, mara: Actor) -> None:
    edit.save_section(page, actor=mara, name="lessons", text="Hers.", version=0)
    with pytest.raises(EditConflict, match="Mara changed") as refusal:
        edit.save_section(page, actor=person(name="Jo"), name="lessons", text="His.", version=0)
    details = refusal.value.details
    assert (details["mine"], details["theirs"], details["version"], details["by"]) == ("His.", "Hers.", 1, "Mara")
    assert refusal.value.status == 409
    assert page.texts()["lessons"] == "Hers."
    merged = edit.save_section(page, actor=mara, name="lessons", text="Both.", version=details["version"])
    assert merged.text == "Both."


def test_rows_conflict_in_the_fields_that_were_sent(page: Postmortem, mara: Actor) -> None:
    edit.save_row(page, "layers", "model", actor=mara, version=1, values={"finding": "cleared", "owner": "Ada"})
    with pytest.raises(EditConflict) as refusal:
        edit.save_row(page, "layers", "model", actor=mara, version=1, values={"finding": "implicated"})
    assert refusal.value.details["theirs"] == {"finding": "cleared"}
    edit.save_page(page, actor=mara, version=1, values={"next_owner": "Refunds team"})
    with pytest.raises(EditConflict):
        edit.save_page(page, actor=mara, version=1, values={"next_owner": "nobody"})
    made = edit.add_row(page, "factors", actor=mara, values={"text": "No reviewer"})
    edit.save_row(page, "factors", made.pk, actor=mara, version=1, values={"confidence": "known"})
    with pytest.raises(EditConflict):
        edit.remove_row(page, "factors", made.pk, actor=mara, version=1)
    edit.remove_row(page, "factors", made.pk, actor=mara, version=2)
    with pytest.raises(NotFound):
        edit.save_row(page, "factors", made.pk, actor=mara, version=3, values={"text": "x"})


def test_nobody_becomes_a_factor_once(page: Postmortem, mara: Actor) -> None:
    edit.save_page(page, actor=mara, version=1, values={"made_by": "Ada", "reviewed_by": "Nobody"})
    (factor,) = page.factors.all()
    assert (factor.text, factor.layer, factor.updated_by) == ("Nobody reviewed it.", "governance", mara.user)
    edit.save_page(page, actor=mara, version=2, values={"reviewed_by": "Grace"})
    edit.save_page(page, actor=mara, version=3, values={"reviewed_by": "nobody", "next_owner": "nobody"})
    texts = page.factors.values_list("text", flat=True)
    assert list(texts) == ["Nobody reviewed it.", "Nobody owns it next."]


def test_a_row_written_twice_at_once_is_told_as_that(page: Postmortem, mara: Actor) -> None:
    edit.add_row(page, "escapes", actor=mara, values={"question": "alerts"})
    second = EscapeAnswer(postmortem=page, question="alerts", version=0)
    with pytest.raises(OperationRefused, match="has just written this row too") as refusal:
        edit.write(second, page, mara, None)
    assert refusal.value.status == 409


def test_an_inference_names_the_run_and_the_version_at_fault(page: Postmortem, mara: Actor) -> None:
    made = version("customer-service", "2.1.0")
    values: dict[str, Any] = {
        "saw": "A limit of $100.",
        "inferred": "Refuse.",
        "failures": "7",
        "replays": 10,
        "day": "2026-11-20",
        "trace_id": "AB" * 16,
        "version_at_fault": "customer-service@2.1.0",
    }
    row: Any = edit.add_row(page, "inferences", actor=mara, values=values)
    assert (row.version_at_fault, row.failures, row.trace_id, str(row.day)) == (made, 7, "ab" * 16, "2026-11-20")
    by_number = {"version_at_fault": f"customer-service@{made.number}", "day": ""}
    row = edit.save_row(page, "inferences", row.pk, actor=mara, version=1, values=by_number)
    assert row.version == 2
    assert row.day is None


@pytest.mark.parametrize(
    ("kind", "key", "values"),
    [
        ("variables", "prompt", {"moved": "perhaps"}),
        ("variables", "prompt", {"colour": "red"}),
        ("variables", "weather", {"moved": "moved"}),
        ("layers", "model", {"evidence": None}),
        ("layers", "model", {"evidence": "a\x00b"}),
        ("layers", "model", {"evidence": "x" * 20_001}),
        ("escapes", "canary", {"answer": "x"}),  # nothing was rolled back: not asked
        ("inferences", "999", {"saw": "x"}),
        ("inferences", "²", {"saw": "x"}),
        ("gossip", "1", {}),
    ],
)
def test_what_does_not_fit_a_row_is_refused(
    page: Postmortem, mara: Actor, kind: str, key: str, values: dict[str, Any]
) -> None:
    with pytest.raises(OperationRefused) as refusal:
        edit.save_row(page, kind, key, actor=mara, version=1, values=values)
    assert refusal.value.status in {404, 422}


@pytest.mark.parametrize(
    "values",
    [
        {"failures": 3},
        {"failures": 3, "replays": 2},
        {"fixed_failures": 1},
        {"failures": True},
        {"replays": 2.5},
        {"replays": -1},
        {"replays": 2**31},
        {"trace_id": "xyz"},
        {"span_id": "ab"},
        {"day": "2026-13-01"},
        {"version_at_fault": "nothing@1.0.0"},
        {"version_at_fault": "nothing"},
    ],
)
def test_an_inference_that_cannot_be_is_refused(page: Postmortem, mara: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(OperationRefused):
        edit.add_row(page, "inferences", actor=mara, values=values)
    assert not page.inferences.exists()


def test_only_what_has_no_fixed_row_is_added_or_removed(page: Postmortem, mara: Actor) -> None:
    with pytest.raises(OperationRefused, match="its row already"):
        edit.add_row(page, "layers", actor=mara, values={})
    asked = edit.add_row(page, "escapes", actor=mara, values={"question": "people", "answer": "Jo did."})
    with pytest.raises(OperationRefused, match="there already"):
        edit.add_row(page, "escapes", actor=mara, values={"question": "people"})
    with pytest.raises(OperationRefused, match="no question"):
        edit.add_row(page, "escapes", actor=mara, values={"question": "why"})
    with pytest.raises(OperationRefused, match="cannot be removed"):
        edit.remove_row(page, "escapes", asked.pk, actor=mara, version=1)


@pytest.mark.parametrize(
    "values",
    [
        {"damage_rate_per_second": "-1"},
        {"damage_rate_per_second": "nan"},
        {"blast_seconds": True},
        {"autonomy": "free"},
        {"made_by": "x" * 201},
        {"incident": 7},
    ],
)
def test_the_pages_own_fields_are_checked(page: Postmortem, mara: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(OperationRefused):
        edit.save_page(page, actor=mara, version=1, values=values)


def test_a_token_drafts_and_a_person_checks(page: Postmortem, mara: Actor) -> None:
    section = edit.save_section(page, actor=machine("respond"), name="lessons", text="Drafted.", version=0)
    assert section.is_draft
    with pytest.raises(OperationRefused, match="Only a person"):
        edit.check_section(page, actor=machine(), name="lessons", version=1)
    with pytest.raises(EditConflict):
        edit.check_section(page, actor=mara, name="lessons", version=0)
    checked = edit.check_section(page, actor=mara, name="lessons", version=1)
    assert (checked.is_draft, checked.version) == (False, 2)
    assert edit.check_section(page, actor=mara, name="lessons", version=0).version == 2
    with pytest.raises(NotFound):
        edit.check_section(page, actor=mara, name="customers", version=0)


def presses(page: Postmortem, action: ActionItem) -> list[Callable[[Actor], Any]]:
    """Every way to write on the page."""
    return [
        lambda actor: edit.save_section(page, actor=actor, name="impact", text="x", version=1),
        lambda actor: edit.save_page(page, actor=actor, version=1, values={"path": "x"}),
        lambda actor: edit.save_row(page, "layers", "model", actor=actor, version=1, values={"owner": "x"}),
        lambda actor: edit.add_row(page, "factors", actor=actor, values={"text": "x"}),
        lambda actor: edit.remove_row(page, "factors", 1, actor=actor, version=1),
        lambda actor: actions.add(page, actor=actor, text="x", kind="gate"),
        lambda actor: actions.save(action, actor=actor, version=1, values={"text": "x"}),
    ]


def test_nothing_is_written_by_whom_may_not_nor_after_it_is_closed(mara: Actor) -> None:
    room = resolved(incident())
    page = draft.begin(room, actor=mara)
    action = actions.add(page, actor=mara, text="Do", kind="gate", owner=mara.user, due_on="2026-12-01")
    for press in presses(page, action):
        with pytest.raises(NotPermitted):
            press(person(SiteRole.VIEWER))
    written(room, mara)
    for press in presses(page, action):
        with pytest.raises(OperationRefused, match="signed off"):
            press(mara)


# -- actions ----------------------------------------------------------------------------------------------------------
def test_an_action_is_added_changed_and_finished_even_after_the_close(page: Postmortem, mara: Actor) -> None:
    jo = UserFactory(name="Jo")
    action = actions.add(page, actor=mara, text="Add a gate", kind="gate")
    action = actions.save(action, actor=mara, version=1, values={"owner": jo.email.upper(), "due_on": "2026-12-01"})
    assert (action.owner, action.version) == (jo, 2)
    with pytest.raises(EditConflict) as refusal:
        actions.save(action, actor=mara, version=1, values={"owner": mara.user, "text": "Other"})
    assert refusal.value.details["theirs"]["owner"] == jo.email
    assert actions.save(action, actor=mara, version=1, values={"owner": jo}).version == 2
    room = written(resolved(page.incident), mara)
    action.refresh_from_db()
    done = actions.finish(action, actor=mara)
    assert done.done_by == mara.user
    assert last(room).text == "Action 1 done: Add a gate"
    assert actions.finish(action, actor=person()).done_by == mara.user
    with pytest.raises(OperationRefused, match="done already"):
        actions.drop(action, actor=mara, reason="r")


def test_an_action_is_dropped_for_a_reason(page: Postmortem, mara: Actor) -> None:
    action = actions.add(page, actor=mara, text="Do", kind="guard")
    with pytest.raises(OperationRefused, match="Say why"):
        actions.drop(action, actor=mara, reason=" ")
    actions.drop(action, actor=mara, reason="done elsewhere")
    with pytest.raises(OperationRefused, match="done elsewhere"):
        actions.finish(action, actor=mara)
    with pytest.raises(OperationRefused, match="done elsewhere"):
        actions.save(action, actor=mara, version=2, values={"text": "x"})


@pytest.mark.parametrize(
    "values",
    [
        {"text": " "},
        {"kind": "hope"},
        {"owner": "nobody@example.com"},
        {"owner": 7},
        {"due_on": "soon"},
        {"tracker_url": "javascript:alert(1)"},
        {"tracker_url": "/relative"},
        {"done_at": "now"},
    ],
)
def test_an_action_that_does_not_fit_is_refused(page: Postmortem, mara: Actor, values: dict[str, Any]) -> None:
    with pytest.raises(OperationRefused):
        actions.add(page, actor=mara, **({"text": "Do", "kind": "gate"} | values))


def test_nobody_who_cannot_sign_in_is_given_an_action(page: Postmortem, mara: Actor) -> None:
    with pytest.raises(OperationRefused, match="cannot sign in"):
        actions.add(page, actor=mara, text="Do", kind="gate", owner=UserFactory(is_active=False))


# -- at once ----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_two_people_saving_one_text_at_once_are_told_of_each_other() -> None:
    people = [person(name=name) for name in ("Mara", "Jo", "Ada", "Grace")]
    page = draft.begin(incident(), actor=people[0])
    barrier, conflicts, failures = threading.Barrier(len(people)), list[EditConflict](), list[BaseException]()

    def save(actor: Actor) -> None:
        try:
            barrier.wait(10)
            edit.save_section(page, actor=actor, name="lessons", text=f"By {actor.label}.", version=0)
        except EditConflict as conflict:
            conflicts.append(conflict)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(actor,)) for actor in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    kept = page.sections.get(name="lessons")
    assert kept.version == 1
    assert len(conflicts) == len(people) - 1
    assert {conflict.details["theirs"] for conflict in conflicts} == {kept.text}
    assert {conflict.details["mine"] for conflict in conflicts} | {kept.text} == {f"By {p.label}." for p in people}


def test_a_page_from_before_there_were_rows_gets_those_that_every_page_has() -> None:
    room, actor = incident(running("2.0.0", "2.1.0")), person()
    moves.record("rollback", contain.roll_back(room, actor=actor).pk)
    old = Postmortem.objects.create(incident=room, updated_at=clock.now())
    young = draft.begin(incident(), actor=actor)
    edit.save_row(young, "layers", "tools", actor=actor, version=1, values={"finding": "implicated"})
    with connection.cursor() as cursor:
        cursor.execute(import_module("incidents.migrations.0017_rows_of_older_postmortems").FORWARD)
    edit.save_row(old, "layers", "tools", actor=actor, version=1, values={"finding": "cleared"})
    assert (old.layers.count(), old.variables.count(), old.escapes.count()) == (7, 9, 4)
    assert young.layers.get(layer="tools").finding == "implicated"
    assert not young.escapes.exists()
