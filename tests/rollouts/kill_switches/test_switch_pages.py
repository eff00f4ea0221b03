"""The page of an agent's kill switches: red until proven, described by whoever ships, and works without script."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import SiteRole
from rollouts.models import Containment, KillSwitch, Stop
from rollouts.operations import kill_switch, switches
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.rollouts import running
from tests.rollouts.kill_switches.test_switches import TOLD, measured

pytestmark = pytest.mark.django_db
PAGE = "/bundles/customer-service/stops/"


def test_a_switch_nobody_has_measured_or_described_is_red() -> None:
    running("1.0.0")
    browser = Browser()
    page = text(browser.get(PAGE))
    assert page.count("Never measured") == 4  # the whole agent and its writes, in prod and in staging
    assert page.count("Nothing runs here") == 1
    assert "Say what customers get instead" in page
    assert "a ramp that went well never makes it unneeded" in page
    assert f'href="{PAGE}"' in text(browser.get("/bundles/customer-service/"))


def test_what_was_measured_stands_with_its_date_its_floor_and_its_verdict() -> None:
    where = running("1.0.0")
    switches.describe(where, scope="whole", told=TOLD | {"blast_seconds": 30}, actor=person())
    stop = kill_switch.stop(where, actor=person(), pressed_in="INC-9")
    measured(stop, 41)
    page = text(Browser().get(PAGE))
    for said in ("Containment theater", "41 s", "≥ $102", "quicker than a deploy", "0 days off", "INC-9",
                 "No restore plan yet", "Owed: why the whole agent?"):  # fmt: skip
        assert said in page, said
    Containment.objects.filter(stop=stop).update(reached=2)
    assert "the last stop reached 2 of 3 instances" in text(Browser().get(PAGE))


def test_a_person_describes_a_switch_and_what_is_wrong_keeps_what_was_typed() -> None:
    running("1.0.0")
    browser = Browser()
    path = f"{PAGE}prod/"
    told = {"scope": "tool:refund", "fallback": "Sorry", "usd_per_second": "2.5", "blast_seconds": ""}
    assert browser.press(path, **told).status_code == 302
    switch = KillSwitch.objects.get()
    assert (switch.scope, switch.usd_per_second, switch.blast_seconds) == ("tool:refund", 2.5, None)
    assert "An apology helps nobody" in text(browser.get(PAGE))
    wrong = browser.press(path, **told | {"scope": "everything", "fallback": "<b>a human"})
    assert wrong.status_code == 422
    assert "A scope is whole" in text(wrong)
    assert 'value="&lt;b&gt;a human"' in text(wrong)
    much = browser.press(path, **told | {"usd_per_second": "lots"})
    assert much.status_code == 422
    assert "US dollars per second: enter a number" in text(much)
    assert browser.press(f"{PAGE}prod/probe/", scope="tool:refund").status_code == 409
    assert browser.press(f"{PAGE}prod/probe/", scope="tool:other").status_code == 404
    viewer = Browser(SiteRole.VIEWER)
    assert viewer.press(path, **told).status_code == 403
    assert "Describe" not in text(viewer.get(PAGE))


def test_the_reason_and_the_restore_plan_are_written_after_the_stop() -> None:
    stop = kill_switch.stop(running("1.0.0"), actor=person())
    browser = Browser()
    reason = {"wrong_share_percent": "0.1", "right_share_percent": "99.9", "reason": "no tool alone"}
    assert browser.press(f"/stops/{stop.pk}/reason/", **reason | {"right_share_percent": "many"}).status_code == 422
    assert browser.press(f"/stops/{stop.pk}/reason/", **reason).status_code == 302
    assert browser.press(f"/stops/{stop.pk}/restore/", criteria="replays pass", expected_on="soon").status_code == 422
    assert browser.press(f"/stops/{stop.pk}/restore/", criteria="<i>replays pass", expected_on="").status_code == 302
    found = Stop.objects.get()
    assert (found.wrong_share_percent, found.restore_criteria) == (0.1, "<i>replays pass")
    page = text(browser.get(PAGE))
    assert "0.1 % went wrong, 99.9 % right was stopped with it. no tool alone" in page
    assert "&lt;i&gt;replays pass" in page
    viewer = Browser(SiteRole.VIEWER)
    assert viewer.press(f"/stops/{stop.pk}/restore/", criteria="c").status_code == 403
    assert browser.press("/stops/999/restore/", criteria="c").status_code == 404


def test_the_page_takes_as_many_queries_for_many_stops_as_for_one(django_assert_max_num_queries: Any) -> None:
    where = running("1.0.0")
    for number in range(12):
        measured(kill_switch.stop(where, actor=person(), scope=f"tool:t{number}"), 1)
    browser = Browser()
    with django_assert_max_num_queries(14):
        browser.get(PAGE)
