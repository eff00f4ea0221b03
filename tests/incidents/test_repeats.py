"""The same failure, shipped again: linked by a person, however long ago the first was."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents import lint
from incidents.models import Incident
from incidents.operations import repeats
from incidents.operations.postmortems import draft
from incidents.operations.postmortems.content import content_of
from tests.browsers import Browser, text
from tests.callers import signed_in
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import incident, last, resolved, someone, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def first(noon: datetime) -> Incident:
    return written(resolved(incident(title="Refunds twice")), person(SiteRole.COMMANDER))


@pytest.fixture
def again(first: Incident, clock: MovableClock, noon: datetime) -> Incident:
    """Six weeks later."""
    clock.move_to(noon + timedelta(weeks=6))
    return incident(title="Refunds twice, once more")


def test_what_came_back_six_weeks_later_is_linked_and_asked_about(first: Incident, again: Incident) -> None:
    page = draft.begin(again, actor=person())
    assert content_of(page)["similar"] == []
    repeats.say_same(again, actor=person(), earlier=first)
    assert last(again).text == f"The same as {first.ref}: Refunds twice"
    content = content_of(page)
    assert (content["header"]["repeat_of"], [row["ref"] for row in content["similar"]]) == (first.ref, [first.ref])
    assert any(each.rule == "recurrence" and first.ref in each.sentence for each in lint.findings(content))
    repeats.say_same(again, actor=person(), earlier=None)
    assert last(again).text == f"Not the same as {first.ref} after all"
    again.refresh_from_db()
    entries = again.last_sequence
    assert repeats.say_same(again, actor=person(), earlier=None).last_sequence == entries


def test_only_what_was_there_before_can_have_come_back(first: Incident, again: Incident) -> None:
    for one, other in ((first, again), (again, again)):
        with pytest.raises(OperationRefused):
            repeats.say_same(one, actor=person(), earlier=other)
    with pytest.raises(OperationRefused, match=f"{again.ref} is not earlier than {again.ref}"):
        repeats.say_same(again, actor=person(), earlier=again)
    with pytest.raises(NotPermitted):
        repeats.say_same(again, actor=person(SiteRole.VIEWER), earlier=first)


def test_it_is_said_in_the_editor_and_by_api(first: Incident, again: Incident) -> None:
    draft.begin(again, actor=person())
    browser, path = Browser(), f"/i/{again.ref}/same/"
    assert f'action="{path}"' in text(browser.get(f"/i/{again.ref}/postmortem/", record=1))
    assert browser.press(path, earlier="INC-999").status_code == 404
    assert browser.press(path, earlier=first.ref.lower()).status_code == 302
    again.refresh_from_db()
    assert again.repeat_of == first
    api = signed_in(someone("Mara"))
    at = f"/api/v1/incidents/{again.ref}/same-as"
    assert api.post(at, {"earlier": None}).status_code == 200
    again.refresh_from_db()
    assert again.repeat_of is None
    assert api.post(at, {"earlier": first.ref}).status_code == 200
    assert api.post(at, {"earlier": "INC-999"}).status_code == 404
