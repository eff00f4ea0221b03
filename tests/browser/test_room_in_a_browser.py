"""The room in people's hands: live, by thumb, by keyboard, and without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, Site, press

pytestmark = pytest.mark.browser


def live(page: Page) -> None:
    expect(page.locator(".conn:visible").first).to_have_text("live")


def test_a_note_from_elsewhere_appears_by_itself_and_what_is_being_typed_stays(site: Site) -> None:
    ref = site.incident(agent="notes")
    with site.window() as page:
        page.goto(f"/i/{ref}/")
        live(page)
        box = page.get_by_label("Note", exact=True)
        box.click()
        page.keyboard.type("half a sen")
        site.api(f"incidents/{ref}/note", {"text": "EU only <so far>"})
        expect(page.locator("#timeline")).to_contain_text("EU only <so far>")
        page.keyboard.type("tence")
        expect(box).to_have_value("half a sentence")
        expect(box).to_be_focused()
        page.reload()
        expect(page.get_by_label("Note", exact=True)).to_have_value("half a sentence")
        press(page.get_by_role("button", name="Note", exact=True))
        expect(page.locator("#timeline")).to_contain_text("half a sentence")
        expect(page.get_by_label("Note", exact=True)).to_have_value("")


def test_one_press_with_the_thumb_takes_the_bad_version_back_and_two_are_one(site: Site) -> None:
    ref = site.incident(agent="thumb")
    with site.window(PHONE) as page:
        page.goto(f"/i/{ref}/contain/")
        live(page)
        button = page.locator("#roll-back")
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 56
        assert box["y"] + box["height"] <= PHONE["height"] - 56
        page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        outcome = page.locator("#act")
        expect(outcome).to_contain_text("Rolled back")
        expect(outcome).to_contain_text("2.0.0 → 1.0.0")
        expect(outcome).to_contain_text(re.compile(r"\d ms"))
        expect(outcome).to_contain_text("Roll forward")
        expect(page.locator("#timeline")).to_contain_text("Rolled back thumb/prod")
        expect(page.locator("#announce")).to_contain_text("Rolled back to 1.0.0")
        assert page.url.endswith(f"/i/{ref}/contain/")
    told = site.workbench.sql("SELECT count(*) FROM rollouts_activation WHERE kind IN ('rollback', 'roll_forward')")
    rollbacks = site.workbench.sql("SELECT count(*) FROM rollouts_rollback WHERE pressed_in = %s", [ref])
    assert rollbacks == [(1,)]
    assert told[0][0] == site.workbench.sql("SELECT count(*) FROM rollouts_rollback")[0][0]


def test_the_whole_way_by_keyboard(site: Site) -> None:
    ref = site.incident(agent="keys")
    with site.window(DESK) as page:
        page.goto("/live")
        live(page)
        page.keyboard.press("g")
        page.keyboard.press("i")
        page.wait_for_url("**/incidents/")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type(ref)
        expect(page.locator("[data-row]")).to_have_count(1)
        page.keyboard.press("Escape")
        page.locator("h1").click()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/i/{ref}/")
        live(page)
        page.keyboard.press("a")
        expect(page.locator("#room-head")).to_contain_text("since")
        page.wait_for_timeout(500)  # a press within 400 ms of a swap does not count
        page.keyboard.press("3")
        expect(page.locator("#panel-title")).to_be_focused()
        expect(page.locator("#panel-title")).to_contain_text("Contain")
        page.keyboard.press("Shift+R")
        expect(page.locator("#roll-back")).to_be_focused()
        assert site.workbench.sql("SELECT count(*) FROM rollouts_rollback WHERE pressed_in = %s", [ref]) == [(0,)]
        page.wait_for_timeout(500)
        page.keyboard.press("Enter")
        expect(page.locator("#act")).to_contain_text("Rolled back")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        expect(page.locator("#keys")).to_contain_text("Roll forward")
        page.keyboard.press("Escape")
        expect(page.locator("#keys")).to_be_hidden()


def test_an_armed_strip_is_not_swapped_away_and_escape_disarms_it(site: Site) -> None:
    ref = site.incident(agent="armed")
    with site.window() as page:
        page.goto(f"/i/{ref}/contain/")
        live(page)
        press(page.locator("#roll-back"))
        strip = page.locator("#act details.arm").first
        expect(strip).to_be_visible()
        page.wait_for_timeout(1_000)
        press(strip.locator("summary"))
        expect(strip.get_by_role("button", name="Roll forward to 2.0.0")).to_be_visible()
        site.api(f"incidents/{ref}/note", {"text": "meanwhile"})
        expect(page.locator("#timeline")).to_contain_text("meanwhile")
        page.wait_for_timeout(500)
        expect(strip).to_have_attribute("open", "")
        page.keyboard.press("Escape")
        expect(strip).not_to_have_attribute("open", "")


def test_without_a_stream_the_page_says_so_and_asks_by_itself(site: Site) -> None:
    ref = site.incident(agent="polled")
    with site.window() as page:
        page.route("**/events/**", lambda route: route.fulfill(status=503, body="full"))
        page.goto(f"/i/{ref}/")
        expect(page.locator(".conn:visible").first).to_have_text("checking every 10 s")
        site.api(f"incidents/{ref}/note", {"text": "seen by asking"})
        expect(page.locator("#timeline")).to_contain_text("seen by asking", timeout=15_000)
        page.unroute("**/events/**")
        expect(page.locator(".conn:visible").first).to_have_text("live", timeout=15_000)


def test_what_the_server_refuses_is_said_where_it_was_pressed(site: Site) -> None:
    ref = site.incident(agent="refused")
    with site.window() as page:
        page.goto(f"/i/{ref}/resolve/")
        page.get_by_label("Where it came from").select_option("hot_edit")
        press(page.get_by_role("button", name="Name the cause"))
        page.get_by_role("textbox", name="What makes it right").fill("Prompt put back")
        press(page.get_by_role("button", name=f"Resolve {ref}"))
        expect(page.get_by_role("alert").filter(has_text="cannot close yet")).to_be_visible()
        expect(page.get_by_role("textbox", name="What makes it right")).to_have_value("Prompt put back")
        page.get_by_role("textbox", name="What makes it right").fill(" ")
        press(page.get_by_role("button", name=f"Resolve {ref}"))
        expect(page.locator(".error-summary")).to_be_focused()
        assert page.title().startswith("Error:")


def test_going_back_shows_the_step_before(site: Site) -> None:
    ref = site.incident(agent="history")
    with site.window() as page:
        page.goto(f"/i/{ref}/detect/")
        live(page)
        page.get_by_role("link", name="Contain").first.click()
        page.wait_for_url(f"**/i/{ref}/contain/")
        expect(page.locator("#panel-title")).to_contain_text("Contain")
        page.go_back()
        page.wait_for_url(f"**/i/{ref}/detect/")
        expect(page.locator("#panel-title")).to_contain_text("Detect")
        live(page)


def test_the_whole_loop_without_script_on_a_phone(site: Site) -> None:
    ref = site.incident(agent="plain")
    with site.window(PHONE, script=False) as page:
        page.goto("/live")
        page.locator(f"#row-{ref}").get_by_role("button", name="Acknowledge").click()
        page.wait_for_url(f"**/i/{ref}/detect/")
        page.goto(f"/i/{ref}/triage/")
        page.get_by_role("button", name="stop the bleed").click()
        page.get_by_role("button", name="Version regressed").click()
        page.get_by_role("link", name="Show what stored telemetry shows").click()
        expect(page.locator("#evidence")).to_contain_text("Runs")
        page.locator("#roll-back").first.click()
        page.wait_for_url(f"**/i/{ref}/contain/")
        expect(page.locator("#act")).to_contain_text("Rolled back")
        while page.locator("#legs button[value=done]").count():
            page.locator("#legs button[value=done]").first.click()
        page.goto(f"/i/{ref}/triage/")
        page.get_by_role("button", name="Close triage").first.click()
        page.goto(f"/i/{ref}/resolve/")
        page.get_by_label("Where it came from").select_option("hot_edit")
        page.get_by_role("button", name="Name the cause").click()
        page.get_by_role("textbox", name="What makes it right").fill("Prompt put back")
        page.get_by_role("textbox", name="Why a cause without a case").fill("Nothing can be replayed.")
        page.get_by_role("button", name=f"Resolve {ref}").click()
        page.goto(f"/i/{ref}/postmortem/")
        page.get_by_role("button", name="Start the postmortem").click()
        for name in ("Root cause", "Impact", "Prevention"):
            page.get_by_role("textbox", name=name, exact=True).fill("Said.")
            page.get_by_role("button", name=f"Save {name}", exact=True).click()
        for question in ("canary", "tests", "change"):
            answer = page.locator(f"#escapes-{question}")
            answer.get_by_role("textbox", name="Answer").fill("Nobody asked.")
            answer.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Publish revision 1").click()
        page.get_by_role("button", name="Sign as commander").click()
        page.get_by_role("button", name="Sign as approver").click()
        page.get_by_role("button", name="Approve and close").click()
        assert page.title().startswith("SEV1 · Closed"), page.title()
