"""What is typed into a row is what is saved."""

from __future__ import annotations

import pytest

from incidents.operations.postmortems import draft, edit
from tests.browsers import Browser
from tests.factories.accounts import person
from tests.factories.incidents import incident

pytestmark = pytest.mark.django_db


def test_what_begins_a_line_stays_since_it_means_something_in_markdown() -> None:
    room, actor = incident(), person()
    page = draft.begin(room, actor=actor)
    row = edit.add_row(page, "factors", actor=actor, values={"text": "x"})
    code = "    SELECT 1\n\n    SELECT 2"
    fields = {"version": row.version, "confidence": "likely", "text": code}
    browser, path = Browser(), f"/i/{room.ref}/postmortem/rows/factors/{row.pk}/"
    assert browser.press(path, **fields).status_code == 302
    assert page.factors.get().text.replace("\r\n", "\n") == code
    assert browser.press(path, **fields | {"version": 2, "text": "  \n "}).status_code == 422
    assert page.factors.get().text.replace("\r\n", "\n") == code
