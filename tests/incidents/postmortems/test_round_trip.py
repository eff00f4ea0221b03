"""An exported page reads back as it was, whatever was written into it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.markdown import render
from accounts.models import SiteRole
from incidents import exports, lint
from incidents.models import Incident, Postmortem
from incidents.operations.postmortems import actions, draft, edit, load
from incidents.operations.postmortems.content import SCHEMA, content_of
from incidents.operations.postmortems.written import editable
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, someone
from tests.factories.rollouts import version
from tests.incidents.postmortems.pages import contents

pytestmark = pytest.mark.django_db

EMAILS = ["mara@example.com", "jo@example.com"]


def shown_like(sent: dict[str, Any], got: dict[str, Any]) -> None:
    """Everything that was sent is on the page as it was sent."""
    for name, value in sent.items():
        if isinstance(value, dict):
            shown_like(value, got[name] or {})
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            assert len(value) == len(got[name])
            for one, other in zip(value, got[name], strict=True):
                shown_like(one, other)
        elif name in {"done_at", "dropped_at"} and value:
            assert got[name].rstrip("Z") == value.rstrip("Z")
        else:
            assert got[name] == value, name


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # every example is a whole page in the database; shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_json_reads_back_without_loss(data: st.DataObject) -> None:
    with transaction.atomic():
        for email in EMAILS:
            someone(email.partition("@")[0], email=email)
        actor, first, second = person(SiteRole.ADMIN), incident(), incident()
        sent = data.draw(contents(EMAILS))
        page = load.load(first, sent, actor=actor)
        content = content_of(page)
        shown_like({name: value for name, value in sent.items() if name != "schema"}, content)

        text = exports.as_json(content)
        Postmortem.objects.create(incident=second, updated_at=clock.now())  # empty: no draft, no row
        again = load.load(second, json.loads(text), actor=actor)
        assert editable(content_of(again)) == editable(content)
        assert editable(json.loads(text)) == editable(content)

        markdown = exports.markdown(content)
        lint.findings(content)
        html = render(markdown)
        assert "<script" not in html
        assert "<img" not in html
        transaction.set_rollback(True)


def test_loading_the_same_twice_changes_nothing() -> None:
    room, actor = incident(), person()
    page = load.load(room, {"schema": SCHEMA, "sections": {"lessons": "Luck."}}, actor=actor)
    before = page.sections.get(name="lessons").version
    load.load(room, content_of(page), actor=actor, expected=load.etag(page))
    assert page.sections.get(name="lessons").version == before


def test_a_version_at_fault_reads_back() -> None:
    made, room, actor = version("customer-service", "2.1.0"), incident(), person()
    page = draft.begin(room, actor=actor)
    edit.add_row(page, "inferences", actor=actor, values={"version_at_fault": "customer-service@2.1.0"})
    other = load.load(incident(), json.loads(exports.as_json(content_of(page))), actor=actor)
    assert other.inferences.get().version_at_fault == made


def test_what_is_not_named_stays() -> None:
    room, actor = incident(), person()
    page = draft.begin(room, actor=actor)
    drafted = page.sections.get(name="summary").text
    load.load(room, {"schema": SCHEMA, "sections": {"lessons": "Luck."}, "autonomy": "narrow"}, actor=actor)
    assert page.sections.get(name="summary").text == drafted
    assert page.sections.get(name="summary").is_draft
    page.refresh_from_db()
    assert page.autonomy == "narrow"
    assert page.variables.count() == 9


def test_a_shorter_list_removes_rows_and_drops_actions_with_a_reason() -> None:
    room, actor = incident(), person()
    page = draft.begin(room, actor=actor)
    edit.add_row(page, "factors", actor=actor, values={"text": "One"})
    edit.add_row(page, "factors", actor=actor, values={"text": "Two"})
    actions.add(page, actor=actor, text="Do", kind="gate")
    content = content_of(page) | {"factors": [{"text": "Only"}], "actions": []}
    load.load(room, content, actor=actor, expected=load.etag(page))
    assert [row["text"] for row in content_of(page)["factors"]] == ["Only"]
    assert page.actions.get().dropped_reason == "Not in the page that was loaded."


def test_what_somebody_wrote_is_not_loaded_over_unread() -> None:
    room, mara, jo = incident(), person(name="Mara"), person(name="Jo")
    page = draft.begin(room, actor=mara)
    stale = load.etag(page)
    edit.save_section(page, actor=mara, name="lessons", text="Hers.", version=0)
    for expected in (None, stale):
        content = {"schema": SCHEMA, "sections": {"lessons": "His."}}
        if expected is None:
            edit.save_section(page, actor=mara, name="lessons", text="Hers again.", version=1)
        with pytest.raises(edit.EditConflict) as refusal:
            load.load(room, content, actor=jo, expected=expected)
        assert refusal.value.details["mine"]["sections"]["lessons"] == "His."
        assert refusal.value.details["theirs"]["sections"]["lessons"]["text"] == "Hers again."
    assert page.sections.get(name="lessons").text == "Hers again."


@pytest.mark.parametrize("what", ["section", "row", "page"])
def test_what_a_person_wrote_once_is_not_loaded_over_unread(what: str) -> None:
    room, mara = incident(), person(name="Mara")
    page = draft.begin(room, actor=machine())
    if what == "section":  # one that the record does not fill in: its first version is a person's
        edit.save_section(page, actor=mara, name="root_cause", text="Hers.", version=0)
    elif what == "row":
        edit.add_row(page, "factors", actor=mara, values={"text": "Hers."})
    else:
        edit.save_page(page, actor=mara, version=page.version, values={"next_owner": "Mara"})
    content = {"schema": SCHEMA, "sections": {"root_cause": "A script's."}, "factors": []}
    with pytest.raises(edit.EditConflict):
        load.load(room, content, actor=machine())


def test_a_token_does_not_check_a_draft_by_loading_it_as_it_stands() -> None:
    room = incident()
    page = draft.begin(room, actor=person())
    drafted = page.sections.get(name="summary").text
    content = {"schema": SCHEMA, "sections": {"summary": {"text": drafted, "draft": False}}}
    load.load(room, content, actor=machine())
    assert page.sections.get(name="summary").is_draft
    load.load(room, content, actor=person(), expected=load.etag(page))
    assert not page.sections.get(name="summary").is_draft


def test_a_token_loads_drafts_only() -> None:
    room = incident()
    content = {"schema": SCHEMA, "sections": {"lessons": {"text": "By a script.", "draft": False}}}
    page = load.load(room, content, actor=machine())
    assert page.sections.get(name="lessons").is_draft
    with pytest.raises(NotPermitted):
        load.load(incident(), content, actor=machine("read"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "something/1"},
        {},
        {"sections": []},
        {"sections": {"gossip": "x"}},
        {"sections": {"lessons": 7}},
        {"sections": {"lessons": {"text": None}}},
        {"sections": {"lessons": {"text": "x" * 20_001}}},
        {"inferences": {}},
        {"inferences": [7]},
        {"inferences": [{"failures": -1}]},
        {"inferences": [{"failures": 3, "replays": 2}]},
        {"inferences": [{"failures": 3}]},
        {"inferences": [{"trace_id": "zz"}]},
        {"inferences": [{"day": "yesterday"}]},
        {"inferences": [{"version_at_fault": {"bundle": "no", "number": 1}}]},
        {"variables": [{"variable": "weather"}]},
        {"variables": [{"variable": "prompt", "moved": "perhaps"}]},
        {"layers": [{}]},
        {"factors": [{}] * 501},
        {"actions": [{"text": " ", "kind": "gate"}]},
        {"actions": [{"text": "x"}]},
        {"actions": [{"text": "x", "kind": "gate", "owner": {"email": "nobody@example.com"}}]},
        {"actions": [{"text": "x", "kind": "gate", "owner": {"email": 7}}]},
        {"actions": [{"text": "x", "kind": "gate", "tracker_url": "javascript:alert(1)"}]},
        {"actions": [{"text": "x", "kind": "gate", "dropped_at": "2026-11-20T12:00:00Z"}]},
        {"actions": [{"text": "x", "kind": "gate", "done_at": "2026-11-20T12:00:00"}]},
        {"actions": [{"text": "x", "kind": "gate", "done_at": "noon"}]},
        {"ownership": {"made_by": 3}},
        {"ownership": {"made_by": "x" * 201}},
        {"damage": {"rate_per_second": "many"}},
        {"damage": {"rate_per_second": float("inf")}},
        {"damage": {"rate_per_second": 10**400}},
        {"autonomy": "free"},
    ],
)
def test_what_does_not_fit_is_refused_whole(wrong: dict[str, Any]) -> None:
    room = incident()
    content = ({"schema": SCHEMA} | wrong) if wrong else {}
    with pytest.raises(OperationRefused) as refusal:
        load.load(room, content, actor=person())
    assert refusal.value.status in {404, 422}
    assert not Postmortem.objects.filter(incident=room).exists()
    assert Incident.objects.get(pk=room.pk).last_sequence == room.last_sequence
