"""What people press in a room: once, with its answer in place; refused in a sentence."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from incidents.models import Incident, TimelineEntry
from rollouts.models import Rollback, RollbackLeg, Stop
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.incidents import incident, someone
from tests.factories.rollouts import deployment, running

pytestmark = pytest.mark.django_db

ENDPOINTS = [
    "acknowledge",
    "note",
    "why",
    "severity",
    "duty",
    "agent",
    "triage/answer",
    "triage/close",
    "skip/triage",
    "rollback",
    "rollforward",
    "stop",
    "release",
    "waive",
    "legs/histories",
    "resolve/close",
    "postmortem/close",
    "reopen",
]


def room_with_something_to_go_back_to() -> Incident:
    return incident(running("1.0.0", "2.0.0"), severity="SEV1")


def test_acknowledging_stops_the_question_who_has_it() -> None:
    room, mara = incident(severity="SEV1"), someone("Mara")
    answer = Browser(user=mara).press(f"/i/{room.ref}/acknowledge/", step="detect")
    assert (answer.status_code, answer["Location"]) == (302, f"/i/{room.ref}/detect/")
    room.refresh_from_db()
    assert room.acknowledged_by == mara
    second = Browser().press(f"/i/{room.ref}/acknowledge/")
    assert second.status_code == 409
    assert "Mara acknowledged" in text(second)


def test_one_press_rolls_back_and_answers_from_to_who_and_how_fast() -> None:
    room = room_with_something_to_go_back_to()
    browser = Browser(user=someone("Mara"))
    answer = browser.press_in("section#panel", f"/i/{room.ref}/rollback/")
    page = text(answer)
    rollback = Rollback.objects.get()
    assert rollback.pressed_in == room.ref
    for said in ("1.0.0", "2.0.0", "Mara", " ms", "Until the last instance fetched it", "Flipped, "):
        assert said in page
    assert "Roll forward to 2.0.0" in page
    assert ">Roll back<" not in page
    assert answer["HX-Push-Url"] == f"/i/{room.ref}/contain/"
    assert json.loads(answer["HX-Trigger"])["announce"]["value"].startswith("Rolled back to 1.0.0")


def test_the_press_works_without_script_and_twice_is_once() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    for _ in range(2):
        answer = browser.press(f"/i/{room.ref}/rollback/")
        assert (answer.status_code, answer["Location"]) == (302, f"/i/{room.ref}/contain/")
    assert Rollback.objects.count() == 1


def test_nothing_to_go_back_to_is_a_sentence_and_offers_stop() -> None:
    room, browser = incident(running("1.0.0")), Browser()
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert "Nothing to go back to" in page
    answer = browser.press(f"/i/{room.ref}/rollback/")
    assert answer.status_code == 409
    assert "Nothing to go back to" in text(answer)


def test_a_room_without_agent_asks_which_agent_and_takes_the_answer() -> None:
    somewhere, browser = deployment(), Browser()
    room = incident(somewhere)
    Incident.objects.filter(pk=room.pk).update(deployment=None)
    assert "say which agent" in text(browser.get(f"/i/{room.ref}/contain/"))
    assert browser.press(f"/i/{room.ref}/agent/", deployment="").status_code == 422
    assert browser.press(f"/i/{room.ref}/agent/", deployment=somewhere.pk).status_code == 302
    room.refresh_from_db()
    assert room.deployment == somewhere


def test_a_leg_is_done_by_name_or_waived_with_a_reason_only() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser(user=someone("Mara"))
    browser.press(f"/i/{room.ref}/rollback/")
    done = browser.press_in("section#legs", f"/i/{room.ref}/legs/histories/", verb="done")
    assert text(done).lstrip().startswith('<section id="legs"')
    refused = browser.press_in("section#legs", f"/i/{room.ref}/legs/semantic_cache/", verb="waive", reason=" ")
    assert refused.status_code == 422
    assert "Waiving a leg needs a reason." in text(refused)
    assert refused["HX-Retarget"] == "#panel"
    browser.press(f"/i/{room.ref}/legs/semantic_cache/", verb="waive", reason="none in use")
    legs = {leg.kind: (leg.state, leg.closed_by_label) for leg in RollbackLeg.objects.all()}
    assert legs["histories"] == ("done", "Mara")
    assert legs["semantic_cache"] == ("waived", "Mara")
    assert browser.press(f"/i/{room.ref}/legs/nonsense/", verb="done").status_code == 404


def test_roll_forward_takes_the_place_of_roll_back_and_gives_it_back() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    browser.press(f"/i/{room.ref}/rollback/")
    browser.press(f"/i/{room.ref}/rollforward/")
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert 'id="roll-back"' in page
    assert browser.press(f"/i/{room.ref}/rollforward/").status_code == 302


def test_why_is_one_tap_afterwards() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    browser.press(f"/i/{room.ref}/rollback/")
    assert "Not said yet." in text(browser.get(f"/i/{room.ref}/contain/"))
    browser.press(f"/i/{room.ref}/why/", why="customers complained")
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert "customers complained" in page
    assert "Not said yet." not in page


def test_a_stop_names_its_scope_and_is_released_with_what_shows_it_is_safe() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    page = text(browser.press_in("section#panel", f"/i/{room.ref}/stop/", scope="writes", fallback="a human"))
    assert "Stopped" in page
    assert Stop.objects.get().fallback == "a human"
    assert browser.press(f"/i/{room.ref}/stop/", scope="nonsense").status_code == 422
    assert browser.press(f"/i/{room.ref}/release/", scope="writes", reason="writes checked").status_code == 302
    assert Stop.objects.get().release_reason == "writes checked"


def test_stopping_the_whole_agent_takes_a_second_press_and_a_scope_takes_one() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert 'name="scope" value="writes" checked' in page
    strip = page[page.index("Stop the whole agent …") :]
    assert 'type="hidden" name="scope" value="whole"' in strip.partition("</details>")[0]
    browser.press(f"/i/{room.ref}/stop/", scope="whole")
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert "Stop the whole agent …" not in page
    assert "Release …" in page


def test_duties_are_given_handed_over_and_left() -> None:
    room, mara, jo = incident(), someone("Mara"), someone("Jo")
    browser, path = Browser(user=mara), f"/i/{room.ref}/duties/"
    assert "Jo" in text(browser.get(path))
    browser.press(path, duty="comms", to=jo.pk)
    assert room.responders.get(to_at=None).user == jo
    browser.press(path, duty="comms", to=mara.pk)
    assert room.responders.get(to_at=None).user == mara
    browser.press(path, duty="comms", to="")
    assert not room.responders.filter(to_at=None).exists()
    refused = browser.press(path, duty="comms", to="")
    assert refused.status_code == 409
    assert "Nobody is comms" in text(refused)
    viewer = someone("Vera", "viewer")
    assert browser.press(path, duty="comms", to=viewer.pk).status_code == 409
    assert browser.press(path, duty="comms", to=10**15).status_code == 404
    assert Browser(user=viewer).get(path).status_code == 403


def test_the_timeline_has_an_address() -> None:
    room = incident()
    answer = Browser().get(f"/i/{room.ref}/timeline/")
    assert answer["Location"] == f"/i/{room.ref}/?tab=timeline"
    assert "show-timeline" in text(Browser().get(f"/i/{room.ref}/", tab="timeline"))


def test_triage_closes_when_question_and_branch_are_answered_and_says_what_is_missing() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    refused = browser.press(f"/i/{room.ref}/triage/close/")
    assert refused.status_code == 409
    assert "Choose a branch." in text(refused)
    browser.press(f"/i/{room.ref}/triage/answer/", rollback_answer="not_help")
    page = text(browser.press_in("section#panel", f"/i/{room.ref}/triage/answer/", branch="data"))
    assert page.count('aria-pressed="true"') == 3  # the answer, the branch, and the class that is not known yet
    assert browser.press(f"/i/{room.ref}/triage/close/").status_code == 302
    room.refresh_from_db()
    assert room.triaged_at is not None


def test_a_branch_that_is_not_the_version_takes_the_filled_button_from_roll_back() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    filled = 'class="btn danger big" id="roll-back"'
    assert filled in text(browser.get(f"/i/{room.ref}/contain/"))
    browser.press(f"/i/{room.ref}/triage/answer/", branch="data", rollback_answer="not_help")
    page = text(browser.get(f"/i/{room.ref}/contain/"))
    assert filled not in page
    assert 'id="roll-back"' in page
    assert page.count("btn danger big") == 1


def test_a_note_keeps_its_text_and_an_empty_one_is_refused() -> None:
    room, browser = incident(), Browser()
    part = browser.press_in("section#timeline", f"/i/{room.ref}/note/", text="EU only <b>so far</b>")
    assert "EU only &lt;b&gt;so far&lt;/b&gt;" in text(part)
    assert browser.press(f"/i/{room.ref}/note/", text="  ").status_code == 422
    assert TimelineEntry.objects.filter(kind="note").count() == 1


def test_severity_and_duty_are_one_press() -> None:
    room, mara = incident(severity="SEV3"), someone("Mara")
    browser = Browser(user=mara)
    browser.press(f"/i/{room.ref}/severity/", severity="SEV1")
    browser.press_in("div#room-head", f"/i/{room.ref}/duty/", duty="commander", step="contain")
    room.refresh_from_db()
    assert room.severity == "SEV1"
    assert room.responders.get().user == mara
    assert browser.press(f"/i/{room.ref}/severity/", severity="SEV9").status_code == 422


def test_resolve_says_what_is_missing_and_keeps_what_was_written() -> None:
    room, browser = room_with_something_to_go_back_to(), Browser()
    browser.press(f"/i/{room.ref}/rollback/")
    empty = browser.press(f"/i/{room.ref}/resolve/close/", origin="hot_edit", resolution="")
    assert empty.status_code == 422
    assert 'class="error-summary"' in text(empty)
    early = browser.press(f"/i/{room.ref}/resolve/close/", origin="hot_edit", resolution="Prompt put back.")
    assert early.status_code == 409
    assert "Prompt put back." in text(early)
    assert "legs" in text(early)
    for leg in RollbackLeg.objects.filter(state="open"):
        browser.press(f"/i/{room.ref}/legs/{leg.kind}/", verb="done")
    fix = {"origin": "hot_edit", "resolution": "Put back."}
    caseless = browser.press(f"/i/{room.ref}/resolve/close/", **fix)
    assert caseless.status_code == 409
    assert "Make a case for hot edit" in text(caseless)
    fix["no_case_reason"] = "Nobody can type into prod any more."
    assert browser.press(f"/i/{room.ref}/resolve/close/", **fix).status_code == 302
    early = browser.press(f"/i/{room.ref}/postmortem/close/")
    assert early.status_code == 409
    assert "Begin the postmortem" in text(early)
    assert browser.press(f"/i/{room.ref}/reopen/", reason="It is back.").status_code == 302
    room.refresh_from_db()
    assert room.resolved_at is None


def test_containment_and_triage_can_be_closed_with_a_reason_and_not_without() -> None:
    room, browser = incident(), Browser()
    for path in (f"/i/{room.ref}/skip/triage/", f"/i/{room.ref}/waive/"):
        assert browser.press(path, reason="").status_code == 422
        assert browser.press(path, reason="It stopped by itself.").status_code == 302
    room.refresh_from_db()
    assert room.step == "detect"
    assert room.containment_waiver_reason == room.triage_skip_reason == "It stopped by itself."
    assert browser.press(f"/i/{room.ref}/skip/contain/", reason="x").status_code == 404


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_viewer_may_press_nothing_but_a_note_a_stranger_signs_in_and_reading_is_no_press(endpoint: str) -> None:
    room = incident(running("1.0.0", "2.0.0"))
    path = f"/i/{room.ref}/{endpoint}/"
    refused = Browser("viewer").press(path)
    if endpoint == "note":
        assert refused.status_code == 422  # there is nothing in it
    else:
        assert refused.status_code == 403
        assert "This needs the role" in text(refused)
    assert Client().post(path).status_code == 302
    assert Browser().get(path).status_code == 405
    assert Browser().press(f"/i/INC-999999/{endpoint}/").status_code == 404


def test_presses_need_the_token_against_forgery() -> None:
    room = incident()
    client = Client(enforce_csrf_checks=True)
    browser = Browser()
    client.force_login(browser.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(f"/i/{room.ref}/acknowledge/").status_code == 403


def test_an_idempotency_key_makes_a_note_count_once() -> None:
    room, browser = incident(), Browser()
    for _ in range(2):
        browser.press_in("section#timeline", f"/i/{room.ref}/note/", text="once", idempotency_key="k1")
    assert TimelineEntry.objects.filter(kind="note").count() == 1
    assert person().is_person
