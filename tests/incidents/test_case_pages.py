"""The pages of cases: made in one press, made better on a form, written by hand where telemetry tells too little."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from accounts.models import SiteRole
from incidents.models import Incident
from rollouts.models import RegressionCase
from rollouts.practice.bundles import BAD, KEY
from tests.browsers import Browser, text
from tests.factories.incidents import incident
from tests.factories.regression_cases import case
from tests.factories.rollouts import running
from tests.incidents.refunds import TRACE, refund_room
from tests.spans import ERROR, span, told

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
FIELDS = {
    "title": "A refund of $240 goes out",
    "inputs": '{"amount": 240}',
    "check_kind": "assertion",
    "pointer": "outcome",
    "operator": "equals",
    "value": "refunded",
    "repeats": "3",
}


@pytest.fixture
def room(noon: datetime) -> Incident:
    return refund_room(noon)


def test_make_case_stands_beside_failed_runs_and_makes_one_case(room: Incident, noon: datetime) -> None:
    browser, path = Browser(), f"/i/{room.ref}/cases/from/{noon:%Y-%m-%d}/{TRACE}/"
    assert f'action="{path}"' in text(browser.get(f"/i/{room.ref}/triage/?evidence=1"))
    assert f'action="{path}"' in text(browser.get(f"/i/{room.ref}/runs/{noon:%Y-%m-%d}/{TRACE}/"))
    first, again = browser.press(path), browser.press(path)
    assert first["Location"] == f"{again['Location']}?made=1"
    assert RegressionCase.objects.count() == 1
    assert browser.press(f"/i/{room.ref}/cases/from/{noon:%Y-%m-%d}/{'0' * 32}/").status_code == 404
    assert browser.press(f"/i/{room.ref}/cases/from/yesterday/{TRACE}/").status_code == 404
    assert Browser("viewer").press(path).status_code == 403


def test_a_case_is_made_better_and_the_old_one_points_to_it(room: Incident, noon: datetime) -> None:
    browser = Browser()
    browser.press(f"/i/{room.ref}/cases/from/{noon:%Y-%m-%d}/{TRACE}/")
    old = RegressionCase.objects.get()
    page = text(browser.get(f"/i/{room.ref}/cases/{old.pk}/"))
    assert "refund_over_agent_limit" in page
    assert "HH-20418" in page
    saved = browser.press(f"/i/{room.ref}/cases/{old.pk}/", **FIELDS)
    better = RegressionCase.objects.get(replaces=old)
    assert saved["Location"] == f"/i/{room.ref}/cases/{better.pk}/"
    assert (better.repeats, better.check_body) == (3, {"path": "outcome", "operator": "equals", "value": "refunded"})
    assert "A better case took its place" in text(browser.get(f"/i/{room.ref}/cases/{old.pk}/"))
    assert browser.press(f"/i/{room.ref}/cases/{old.pk}/", **FIELDS | {"repeats": "4"}).status_code == 409
    viewer = text(Browser("viewer").get(f"/i/{room.ref}/cases/{better.pk}/"))
    assert "Save the better case" not in viewer
    assert Browser("viewer").press(f"/i/{room.ref}/cases/{better.pk}/", **FIELDS | {"repeats": "9"}).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"inputs": "{"}, "This is not JSON"),
        ({"inputs": ""}, "Write what the agent is given."),
        ({"title": ""}, "Say what has to go right."),
        ({"repeats": "0"}, "greater than or equal to 1"),
        ({"check_kind": "json_schema", "schema": ""}, "A JSON Schema check is an object."),
        ({"check_kind": "json_schema", "schema": '{"type": "moon"}'}, "Not a valid JSON Schema"),
        ({"check_kind": "rubric", "rubric": ""}, "Write the rubric"),
        ({"operator": "matches", "value": "("}, "This is no regular expression"),
        ({"key": "no spaces"}, "A case&#x27;s key is letters"),
    ],
)
def test_what_is_wrong_with_a_case_is_said_and_what_was_written_stays(
    room: Incident, wrong: dict[str, str], sentence: str
) -> None:
    answer = Browser().press(f"/i/{room.ref}/cases/new/", **FIELDS | wrong)
    assert answer.status_code == 422
    page = text(answer)
    assert sentence in page
    assert "<title>Error: New case" in page
    if "title" not in wrong:
        assert "A refund of $240 goes out" in page
    assert not RegressionCase.objects.exists()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ({"check_kind": "json_schema", "schema": '{"required": ["outcome"]}'}, {"required": ["outcome"]}),
        ({"check_kind": "rubric", "rubric": HOSTILE}, {"text": HOSTILE}),
        ({"operator": "exists"}, {"path": "outcome", "operator": "exists"}),
        ({"operator": "at_most", "value": "500"}, {"path": "outcome", "operator": "at_most", "value": 500}),
    ],
)
def test_a_case_is_written_by_hand_and_shown_as_it_was_written(
    room: Incident, kind: dict[str, str], body: object
) -> None:
    browser = Browser()
    bad = room.deployment.bundle.versions.get(label=BAD)  # type: ignore[union-attr]
    made = browser.press(f"/i/{room.ref}/cases/new/", **FIELDS | kind, bad_version=str(bad.pk))
    found = RegressionCase.objects.get()
    assert (found.check_body, found.bad_version, found.incident_ref) == (body, bad, room.ref)
    page = text(browser.get(made["Location"]))
    assert HOSTILE not in page


def test_a_run_without_content_opens_the_form_with_what_is_known(room: Incident, noon: datetime) -> None:
    trace = "7" * 32
    said = {"lastgood.bundle": KEY, "lastgood.version": BAD, "gen_ai.operation.name": "chat", "error.type": "timeout"}
    told(span(said, at=noon, trace=trace, status=ERROR, message="too slow"))
    browser = Browser()
    sent = browser.press(f"/i/{room.ref}/cases/from/{noon:%Y-%m-%d}/{trace}/")
    assert sent["Location"] == f"/i/{room.ref}/cases/new/?day={noon:%Y-%m-%d}&trace={trace}"
    page = text(browser.get(sent["Location"]))
    assert "content capture was off" in page
    assert "Nothing is made up" in page
    assert 'value="timeout"' in page or "timeout</textarea>" in page
    made = browser.press(sent["Location"], **FIELDS)
    assert made.status_code == 302
    assert RegressionCase.objects.get().trace_id == trace
    again = browser.press(f"/i/{room.ref}/cases/from/{noon:%Y-%m-%d}/{trace}/")
    assert again["Location"] == f"/i/{room.ref}/cases/{RegressionCase.objects.get().pk}/"
    assert browser.get(f"/i/{room.ref}/cases/new/?day=never&trace={trace}").status_code == 404


def test_secrets_in_a_run_do_not_reach_the_form(room: Incident, noon: datetime) -> None:
    trace = "8" * 32
    arguments = {"order_id": "HH-1", "card_password": "hunter22"}
    said = {
        "lastgood.bundle": KEY,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "issue_refund",
        "gen_ai.tool.call.arguments": json.dumps(arguments),
    }
    told(span(said, at=noon, trace=trace, status=ERROR))
    browser = Browser()
    made = browser.press(f"/i/{room.ref}/cases/from/{noon:%Y-%m-%d}/{trace}/")
    page = text(browser.get(made["Location"]))
    assert "HH-1" in page
    assert "hunter22" not in page


def test_a_case_of_another_agent_is_not_shown_here_and_a_room_without_agent_says_so(room: Incident) -> None:
    running("1.0.0", key="another")
    browser = Browser(SiteRole.RESPONDER)
    assert browser.get(f"/i/{room.ref}/cases/{case('another').pk}/").status_code == 404
    lost = incident()
    Incident.objects.filter(pk=lost.pk).update(deployment=None)
    answer = browser.get(f"/i/{lost.ref}/cases/new/")
    assert answer.status_code == 409
    assert "Say which agent this is about" in text(answer)
