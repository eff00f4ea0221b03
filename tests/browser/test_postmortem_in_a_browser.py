"""Writing the postmortem in people's hands: saved by itself, two at once, away from the server, by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import findings
from tests.browser.conftest import DESK, PHONE, Site, press

pytestmark = pytest.mark.browser


def begun(site: Site, agent: str) -> str:
    """The address of a postmortem that was just begun."""
    ref = site.incident(agent=agent)
    with site.window() as page:
        page.goto(f"/i/{ref}/postmortem/")
        press(page.get_by_role("button", name="Start the postmortem"))
        page.locator("#editor").wait_for()
    return f"/i/{ref}/postmortem/"


def test_what_is_typed_saves_itself_and_is_there_after_a_reload(site: Site) -> None:
    path = begun(site, "typing")
    with site.window() as page:
        page.goto(path)
        expect(page.locator("#pm-status")).to_contain_text("Ready")
        text = page.get_by_role("textbox", name="Impact", exact=True)
        text.click()
        page.keyboard.type("418 refunds were **refused**.")
        expect(page.locator("#s-impact-preview strong")).to_have_text("refused")
        expect(page.locator("#s-impact [data-state]")).to_contain_text("Saved")
        expect(text).to_be_focused()
        press(page.get_by_role("button", name="Add inference"))
        page.get_by_label("It inferred").fill("That everybody is owed one")
        page.keyboard.press("Control+s")
        expect(page.locator("#inferences [data-state]")).to_contain_text("Saved")
        page.reload()
        expect(page.get_by_role("textbox", name="Impact", exact=True)).to_have_value("418 refunds were **refused**.")
        expect(page.get_by_label("It inferred")).to_have_value("That everybody is owed one")
        assert page.locator("[data-restored]").count() == 0


def test_two_writers_see_both_texts_and_each_other(site: Site) -> None:
    path = begun(site, "pair")
    with site.window() as one, site.window() as other:
        one.goto(path)
        other.goto(path)
        mine = other.get_by_role("textbox", name="Impact", exact=True)
        mine.click()
        one.get_by_role("textbox", name="Impact", exact=True).fill("Theirs came first.")
        one.keyboard.press("Control+s")
        expect(one.locator("#s-impact [data-state]")).to_contain_text("Saved")
        one.get_by_role("textbox", name="Lessons", exact=False).or_(one.locator("#s-lessons-text")).first.click()
        other.keyboard.type("Mine came second")
        clash = other.locator("#s-impact .pm-conflict")
        expect(clash).to_contain_text("saved this")
        expect(clash).to_contain_text("Theirs came first.")
        expect(clash).to_contain_text("Mine came second")
        other.keyboard.type(", and goes on")
        expect(mine).to_have_value("Mine came second, and goes on")
        expect(mine).to_be_focused()
        press(other.get_by_role("button", name="Merge"))
        both = other.get_by_role("textbox", name="Impact", exact=True)
        expect(both).to_have_value("Theirs came first.\nMine came second, and goes on")
        press(other.get_by_role("button", name="Save Impact"))
        expect(other.locator("#s-impact [data-state]")).to_contain_text("Saved")
        expect(one.get_by_role("textbox", name="Impact", exact=True)).to_have_value(
            "Theirs came first.\nMine came second, and goes on"
        )


def test_without_the_server_the_browser_keeps_a_copy_and_says_so(site: Site) -> None:
    path = begun(site, "away")
    with site.window() as page:
        page.goto(path)
        expect(page.locator("#pm-status")).to_contain_text("Ready")
        page.route("**/sections/**", lambda route: route.abort())
        page.get_by_role("textbox", name="Impact", exact=True).fill("Written in a tunnel")
        expect(page.locator("#pm-late")).to_contain_text("This browser keeps a copy", timeout=20_000)
        page.reload()
        expect(page.locator("#s-impact [data-restored]")).to_contain_text("Restored from this browser's copy")
        expect(page.get_by_role("textbox", name="Impact", exact=True)).to_have_value("Written in a tunnel")
        page.unroute("**/sections/**")
        page.keyboard.press("Control+s")
        expect(page.locator("#s-impact [data-state]")).to_contain_text("Saved")
        page.reload()
        expect(page.get_by_role("textbox", name="Impact", exact=True)).to_have_value("Written in a tunnel")
        assert page.locator("[data-restored]").count() == 0
        site.said = [said for said in site.said if "ERR_FAILED" not in said]


def test_keys_move_between_texts_and_preview(site: Site) -> None:
    path = begun(site, "keys")
    with site.window() as page:
        page.goto(path)
        page.get_by_role("textbox", name="Summary", exact=True).click()
        page.keyboard.press("Alt+ArrowDown")
        expect(page.get_by_role("textbox", name="Impact", exact=True)).to_be_focused()
        page.keyboard.press("Alt+ArrowUp")
        expect(page.get_by_role("textbox", name="Summary", exact=True)).to_be_focused()
        page.keyboard.press("Control+Enter")
        expect(page.locator("#s-summary-preview")).to_be_focused()


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")], ids=str
)
def test_nothing_of_the_postmortem_is_in_anybodys_way(site: Site, size: dict[str, int], scheme: str) -> None:
    path = begun(site, f"axe-{size['width']}-{scheme}")
    wrong = {}
    with site.window(size, scheme=scheme) as page:
        page.goto(path)
        expect(page.locator("#pm-status")).to_contain_text("Ready")
        expect(page.locator("#pm-record")).to_contain_text("Damage")
        press(page.get_by_role("button", name="Add inference"))
        page.locator("#inferences-1, [id^=inferences-]").first.wait_for()
        page.locator("#new-actions").fill("Gate it")
        press(page.get_by_role("button", name="Add action"))
        expect(page.locator("#actions")).to_contain_text("Name an owner", timeout=20_000)
        if found := findings(page):
            wrong["editor"] = found
        press(page.get_by_role("button", name="Publish revision 1"))
        expect(page.locator("#sign")).to_contain_text("Revision 1")
        for part in ("revisions/1/", "revisions/?old=1&new=1", "print/"):
            page.goto(path + part)
            if found := findings(page):
                wrong[part] = found
    assert wrong == {}
