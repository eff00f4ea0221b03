"""The postmortem through the JSON API: as a script drafts it and people finish it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import SiteRole
from incidents.models import Incident
from tests.callers import Caller, signed_in
from tests.factories.accounts import token
from tests.factories.incidents import incident, resolved, someone

pytestmark = pytest.mark.django_db


class Editor(Caller):
    """A caller that also puts and patches."""

    def put(self, path: str, body: object, **headers: str) -> Any:
        return self.client.put(path, body, content_type="application/json", headers=self.headers | headers)

    def patch(self, path: str, body: object) -> Any:
        return self.client.patch(path, body, content_type="application/json", headers=self.headers)


def editor(caller: Caller) -> Editor:
    made = Editor("")
    made.headers = caller.headers
    return made


@pytest.fixture
def mara() -> Editor:
    return editor(signed_in(someone("Mara", SiteRole.COMMANDER)))


@pytest.fixture
def robot() -> Editor:
    return Editor(token("read", "respond")[1])


@pytest.fixture
def room() -> Incident:
    return resolved(incident(title="Refunds twice"))


@pytest.fixture
def at(room: Incident) -> str:
    return f"/api/v1/incidents/{room.ref}/postmortem"


def test_a_script_drafts_and_a_person_publishes_signs_and_closes(
    mara: Editor, robot: Editor, room: Incident, at: str
) -> None:
    assert robot.get(at).status_code == 404
    begun = robot.post(at)
    assert begun.status_code == 201
    page = begun.json()
    assert "Write the root cause." in page["editing"]["unmet"]
    texts = {"root_cause": "No schema.", "impact": "Few.", "prevention": "A case."}
    put = robot.put(at, {"schema": page["schema"], "sections": texts})
    assert put.status_code == 200
    assert put.json()["sections"]["root_cause"] == {"title": "Root cause", "text": "No schema.", "draft": True}
    action = robot.post(f"{at}/actions", {"text": "Add a gate", "kind": "gate"}).json()
    changed = {"version": action["version"], "values": {"owner": "mara@example.com", "due_on": "2026-12-01"}}
    assert robot.patch(f"{at}/actions/{action['id']}", changed).json()["owner"] == "mara@example.com"
    assert robot.post(f"{at}/publish").status_code == 403
    published = mara.post(f"{at}/publish")
    assert (published.status_code, published.json()["number"]) == (201, 1)
    assert robot.post(f"{at}/sign", {"role": "commander"}).status_code == 403
    signed = mara.post(f"{at}/sign", {"role": "commander"})
    assert [each["role"] for each in signed.json()["signed"]] == ["commander"]
    closed = mara.post(f"/api/v1/incidents/{room.ref}/document")
    assert closed.status_code == 200, closed.json()
    assert closed.json()["timeline"][-1]["kind"] == "documented"
    assert robot.post(f"{at}/actions/{action['id']}/finish").json()["done_at"] is not None
    assert robot.put(at, page).status_code == 409


def test_two_writers_get_both_texts(mara: Editor, robot: Editor, at: str) -> None:
    robot.post(at)
    assert mara.patch(f"{at}/sections/lessons", {"text": "Hers.", "version": 0}).json()["version"] == 1
    conflict = robot.patch(f"{at}/sections/lessons", {"text": "Its.", "version": 0})
    assert conflict.status_code == 409
    told = conflict.json()
    assert (told["mine"], told["theirs"], told["version"], told["by"]) == ("Its.", "Hers.", 1, "Mara")
    assert robot.patch(f"{at}/sections/gossip", {"text": "x", "version": 0}).status_code == 422
    checked = mara.post(f"{at}/sections/summary/check?version=1")
    assert (checked.status_code, checked.json()["draft"]) == (200, False)
    assert robot.post(f"{at}/sections/summary/check?version=2").status_code == 403


def test_the_whole_page_is_read_changed_and_put_back_with_its_etag(mara: Editor, at: str) -> None:
    mara.post(at)
    mara.patch(at, {"version": 1, "values": {"next_owner": "Refunds team"}})
    got = mara.get(at)
    page, etag = got.json(), got["ETag"]
    page["sections"]["lessons"]["text"] = "Luck."
    assert mara.put(at, page).status_code == 409
    done = mara.put(at, page, **{"If-Match": etag})
    assert done.json()["sections"]["lessons"]["text"] == "Luck."
    assert done["ETag"] != etag
    again = mara.put(at, page, **{"If-Match": etag})
    assert again.status_code == 409
    assert again.json()["theirs"]["sections"]["lessons"]["text"] == "Luck."
    assert mara.put(at, {"schema": "x"}).status_code == 422


def test_rows_are_saved_added_and_removed(mara: Editor, at: str) -> None:
    mara.post(at)
    saved = mara.patch(f"{at}/rows/variables/prompt", {"version": 1, "values": {"moved": "moved"}})
    assert (saved.json()["moved"], saved.json()["version"]) == ("moved", 2)
    made = mara.post(f"{at}/rows/factors", {"values": {"text": "No reviewer"}})
    assert made.status_code == 201
    row = f"{at}/rows/factors/{made.json()['id']}"
    assert mara.delete(f"{row}?version=0").status_code == 409
    assert mara.delete(f"{row}?version=1").status_code == 204
    assert [row["text"] for row in mara.get(at).json()["factors"]] == ["User side."]  # drafted from the cause
    assert mara.post(f"{at}/rows/gossip", {"values": {}}).status_code == 404
    assert mara.patch(f"{at}/rows/layers/model", {"version": 1, "values": {"colour": "red"}}).status_code == 422


def test_actions_are_dropped_for_a_reason_and_found_by_their_page_only(mara: Editor, at: str) -> None:
    mara.post(at)
    made = mara.post(f"{at}/actions", {"text": "Do", "kind": "gate", "due_on": "2026-12-01"}).json()
    other = incident()
    mara.post(f"/api/v1/incidents/{other.ref}/postmortem")
    elsewhere = f"/api/v1/incidents/{other.ref}/postmortem/actions/{made['id']}/drop"
    assert mara.post(elsewhere, {"reason": "r"}).status_code == 404
    dropped = mara.post(f"{at}/actions/{made['id']}/drop", {"reason": "done elsewhere"})
    assert dropped.json()["dropped_reason"] == "done elsewhere"
    assert mara.post(f"{at}/actions/{10**30}/finish").status_code == 404


def test_revisions_and_files_are_read(mara: Editor, robot: Editor, at: str) -> None:
    mara.post(at)
    assert mara.post(f"{at}/sign", {"role": "commander"}).status_code == 404
    mara.post(f"{at}/publish")
    (one,) = robot.get(f"{at}/revisions").json()["items"]
    assert "content" not in one
    whole = robot.get(f"{at}/revisions/1").json()
    assert whole["content"]["header"]["title"] == "Refunds twice"
    assert robot.get(f"{at}/revisions/9").status_code == 404
    assert robot.get(f"{at}.json").json()["schema"] == "lastgood.postmortem/1"
    told = robot.get(f"{at}.md")
    assert told["Content-Type"].startswith("text/markdown")
    assert "Refunds twice" in told.content.decode()


def test_a_reader_reads_and_writes_nothing(at: str, mara: Editor) -> None:
    mara.post(at)
    reader = Editor(token("read")[1])
    assert reader.get(at).status_code == 200
    for refused in (
        reader.post(at),
        reader.put(at, {}),
        reader.patch(at, {}),
        reader.patch(f"{at}/sections/lessons", {}),
        reader.post(f"{at}/rows/factors"),
        reader.post(f"{at}/actions"),
        reader.post(f"{at}/publish"),
    ):
        assert refused.status_code == 403


def test_reading_takes_as_many_queries_for_a_long_page_as_for_a_short_one(
    mara: Editor, at: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    mara.post(at)
    for number in range(12):
        mara.post(f"{at}/rows/factors", {"values": {"text": f"Factor {number}"}})
        mara.post(f"{at}/actions", {"text": "Do", "kind": "gate", "owner": "mara@example.com"})
    with django_assert_max_num_queries(40):
        mara.get(f"{at}.json")
