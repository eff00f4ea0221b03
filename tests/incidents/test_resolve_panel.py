"""The Resolve panel: causes, cases that fail then pass, runs, gates and the way out; one thing to press next."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import SiteRole
from incidents.models import Incident
from incidents.operations import cases as making
from incidents.operations import causes
from rollouts.models import BundleVersion, Deployment, EvalRun, RegressionCase
from rollouts.operations import eval_work
from rollouts.practice.bundles import BAD, FIX, GOOD, KEY
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.evals import filed
from tests.factories.incidents import incident
from tests.factories.rollouts import running
from tests.incidents.refunds import TRACE, refund_room

pytestmark = pytest.mark.django_db
PRIMARY = re.compile(r'class="btn primary[^"]*"[^>]*>([^<]+)<')


@pytest.fixture
def room(noon: datetime) -> Incident:
    return refund_room(noon)


def primary(page: str) -> list[str]:
    """The words of the filled buttons of the panel."""
    return PRIMARY.findall(page[page.index('id="panel"') :])


def panel(browser: Browser, room: Incident, query: str = "") -> str:
    return text(browser.get(f"/i/{room.ref}/resolve/{query}"))


def test_from_the_first_look_to_the_postmortem_by_the_one_button_that_is_filled(room: Incident, noon: datetime) -> None:
    browser, at = Browser(), f"/i/{room.ref}"
    assert primary(panel(browser, room)) == ["Name the cause"]
    browser.press(f"{at}/causes/", origin="prompt_change", confidence="likely", note="The diff.")
    assert "Make a case for prompt change" in panel(browser, room)
    page = panel(browser, room, "?evidence=1")
    assert primary(page) == ["Make case"]
    assert f"{at}/cases/from/" in page
    made = browser.press(f"{at}/cases/from/{noon:%Y-%m-%d}/{TRACE}/")
    case = RegressionCase.objects.get()
    assert made["Location"] == f"{at}/cases/{case.pk}/?made=1"
    assert "The case is made." in text(browser.get(made["Location"]))
    assert primary(panel(browser, room)) == [f"Run on {BAD}"]
    browser.press(f"{at}/evals/", on="bad")
    eval_work.execute_due()
    assert primary(panel(browser, room)) == [f"Run on {GOOD}"]
    browser.press(f"{at}/evals/", on="fix")
    eval_work.execute_due()
    page = panel(browser, room)
    assert primary(page) == [f"Resolve {room.ref}"]
    assert page.count("<strong>1 of 1</strong>") == 2
    assert "each fails on 2.1.0 and passes on 2.0.3" in page
    assert browser.press(f"{at}/resolve/close/", resolution="Back on 2.0.3.").status_code == 302
    assert primary(panel(browser, room)) == ["Write the postmortem"]


def test_what_is_open_elsewhere_comes_first() -> None:
    room, browser = incident(running("1.0.0", "2.0.0")), Browser()
    page = panel(browser, room)
    assert primary(page) == ["Go to Contain"]
    assert "Stop the harm" in page


@pytest.mark.parametrize("cases", [1, 12])
def test_the_panel_asks_within_fifteen_queries_however_many_cases_there_are(
    cases: int, room: Incident, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    causes.add(room, actor=person(), origin="prompt_change")
    causes.add(room, actor=person(), origin="permissions")
    for number in range(cases):
        making.make(
            room,
            actor=person(),
            title=f"Refund {number}",
            inputs={"amount": 240 + number},
            check_kind="rubric",
            check_body={"text": "Refunded."},
            bad_version=BundleVersion.objects.get(bundle__key=KEY, label=BAD),
            key=f"case-{number}",
        )
    outcomes = {f"case_{number}": "pass" for number in range(cases)}
    filed(BundleVersion.objects.get(bundle__key=KEY, label=GOOD), **outcomes)
    browser = Browser()
    browser.get("/live")
    with django_assert_max_num_queries(15):
        assert browser.get(f"/i/{room.ref}/resolve/").status_code == 200


def test_runs_show_their_progress_and_are_cancelled(room: Incident, noon: datetime) -> None:
    browser, at = Browser(), f"/i/{room.ref}"
    browser.press(f"{at}/cases/from/{noon:%Y-%m-%d}/{TRACE}/")
    browser.press(f"{at}/evals/", on="all")
    run = EvalRun.objects.get()
    assert "0 of 1" in text(browser.region(f"{at}/resolve/", "section#runs"))
    part = text(browser.press_in("section#runs", f"{at}/evals/{run.pk}/cancel/"))
    assert "Cancelled" in part
    assert 'id="panel"' not in part
    assert browser.press(f"{at}/evals/999999/cancel/").status_code == 404
    assert browser.press(f"{at}/evals/", on="moon").status_code == 404


def test_the_pipeline_says_where_the_fix_is_and_a_person_with_the_role_promotes_it(noon: datetime) -> None:
    room = refund_room(noon, fix=True)
    at, approver, browser = f"/i/{room.ref}", Browser(SiteRole.APPROVER, SiteRole.RESPONDER), Browser()
    page = panel(browser, room, "?evidence=1")
    assert "Not built yet: promotion goes from staging to prod." in page
    assert "Ask an approver:" in page
    assert browser.press(f"{at}/promote/", environment="staging", number="3").status_code == 403
    browser.press(f"{at}/cases/from/{noon:%Y-%m-%d}/{TRACE}/")
    for on in ("bad", "all"):
        browser.press(f"{at}/evals/", on=on)
        eval_work.execute_due()
    page = text(approver.region(f"{at}/resolve/", "section#pipeline"))
    assert f"staging serves {FIX}" in page
    refused = approver.press(f"{at}/promote/", environment="prod", number="3")
    assert refused.status_code == 409
    assert "staging" in text(refused)
    assert approver.press(f"{at}/promote/", environment="staging", number="3").status_code == 302
    assert approver.press(f"{at}/promote/", environment="prod", number="3").status_code == 302
    assert Deployment.objects.get(bundle__key=KEY, environment="prod").active.label == FIX  # type: ignore[union-attr]


def test_a_waiver_has_a_reason_and_an_end_and_never_covers_a_red_gate(noon: datetime) -> None:
    room = refund_room(noon, fix=True)
    at, approver = f"/i/{room.ref}", Browser(SiteRole.APPROVER, SiteRole.RESPONDER)
    waiver = {"environment": "staging", "number": "3", "waiver_reason": "checked by hand"}
    assert approver.press(f"{at}/promote/", **waiver, waiver_days="0").status_code == 422
    approver.press(f"{at}/cases/from/{noon:%Y-%m-%d}/{TRACE}/")
    approver.press(f"{at}/evals/", on="fix")
    key = RegressionCase.objects.get().key.replace("-", "_")
    filed(BundleVersion.objects.get(bundle__key=KEY, label=FIX), **{key: "fail"})
    page = text(approver.region(f"{at}/resolve/", "section#pipeline"))
    assert "Gate evals is red" in page
    assert "waiver_reason" not in page
    assert approver.press(f"{at}/promote/", **waiver, waiver_days="7").status_code == 409


def test_causes_are_worked_by_press(room: Incident) -> None:
    browser, at = Browser(), f"/i/{room.ref}"
    assert browser.press(f"{at}/causes/", origin="").status_code == 422
    browser.press(f"{at}/causes/", origin="hot_edit")
    cause = room.causes.get()
    browser.press(f"{at}/causes/{cause.pk}/", verb="possible")
    browser.press(f"{at}/causes/{cause.pk}/", verb="no_case", reason="<b>cannot</b> be replayed")
    page = panel(browser, room)
    assert "&lt;b&gt;cannot&lt;/b&gt; be replayed" in page
    assert 'value="possible" aria-pressed="true"' in page
    assert browser.press(f"{at}/causes/{cause.pk}/", verb="waive", reason="r").status_code == 409
    assert browser.press(f"{at}/causes/{cause.pk}/", verb="withdraw", reason="").status_code == 422
    browser.press(f"{at}/causes/{cause.pk}/", verb="withdraw", reason="it was not that")
    assert browser.press(f"{at}/causes/{cause.pk}/", verb="fly").status_code == 404
    assert browser.press(f"{at}/causes/999999/", verb="known").status_code == 404
    assert "Nobody has said why" in panel(browser, room)


@pytest.mark.parametrize("path", ["causes", "evals", "promote", "causes/1", "evals/1/cancel"])
def test_a_viewer_presses_nothing_here(path: str, room: Incident) -> None:
    assert Browser("viewer").press(f"/i/{room.ref}/{path}/").status_code == 403
    page = panel(Browser("viewer"), room, "?evidence=1")
    assert "Make case" not in page
    assert "Name the cause" not in page.replace("name at least one cause", "")
