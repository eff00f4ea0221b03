"""What the help says of keys is what the keys do."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DESK, Site

pytestmark = pytest.mark.browser


def test_every_place_that_the_help_names_is_reached_by_its_keys(site: Site) -> None:
    with site.window(DESK) as page:
        page.goto("/live")
        page.keyboard.press("?")
        help_box = page.locator("#keys")
        expect(help_box).to_be_visible()
        named = [row.inner_text().split() for row in help_box.locator("dt").all()]
        places = {letters[1]: letters for letters in named if letters[0] == "g" and len(letters) == 2}
        assert set("lifboqas") <= set(places)
        page.keyboard.press("Escape")
        expect(help_box).to_be_hidden()
        for letter in places:
            link = page.locator(f'[data-go="{letter}"]').first
            address = link.get_attribute("href") or ""
            page.keyboard.press("g")
            page.keyboard.press(letter)
            page.wait_for_url(f"**{address}*" if address != "/settings/" else "**/settings/people/")


def test_the_list_is_walked_by_keys_and_slash_finds(site: Site) -> None:
    first, second = site.incident(agent="walk-one"), site.incident(agent="walk-two")
    with site.window(DESK) as page:
        page.goto("/incidents/")
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("walk")
        expect(page.locator("[data-row]")).to_have_count(2)
        page.wait_for_url("**q=walk**")
        page.locator("h1").click()
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        expect(page.locator("[data-row]").first).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/i/{second}/")
        page.go_back()
        expect(page.locator(f"#list-{first}")).to_be_visible()
        page.get_by_text("Narrow and sort").click()
        page.get_by_label("Agent", exact=True).select_option("walk-one")
        expect(page.locator("[data-row]")).to_have_count(1)
        page.wait_for_url("**agent=walk-one**")


def test_single_keys_can_be_turned_off_and_on(site: Site) -> None:
    with site.window(DESK) as page:
        page.goto("/settings/keys/")
        page.get_by_role("group", name="Single keys").get_by_role("button", name="Off").click()
        page.wait_for_url("**/settings/keys/")
        expect(page.locator("html")).to_have_attribute("data-keys", "off")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_hidden()
        page.get_by_role("group", name="Single keys").get_by_role("button", name="On").click()
        expect(page.locator("html")).not_to_have_attribute("data-keys", "off")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()


def test_the_copy_button_copies_and_without_script_the_text_can_be_selected(site: Site) -> None:
    with site.window(DESK) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto("/connect/?agent=copied&lang=curl")
        page.locator(".snippet", has_text="ofrep/v1").get_by_role("button", name="Copy").click()
        expect(page.locator("#announce")).to_have_text("Copied.")
        assert "flags/copied" in page.evaluate("navigator.clipboard.readText()")
    with site.window(DESK, script=False) as page:
        page.goto("/connect/?agent=copied&lang=curl")
        expect(page.locator(".snippet button").first).to_be_hidden()
        expect(page.locator(".snippet code").nth(2)).to_contain_text("flags/copied")


def test_ticks_appear_by_themselves(site: Site) -> None:
    with site.window(DESK) as page:
        page.goto("/connect/?agent=ticked")
        expect(page.locator("#tick-1")).to_contain_text("Push a version")
        site.incident(agent="ticked")
        expect(page.locator("#tick-1")).to_contain_text("ticked@1.0.0", timeout=15_000)
        expect(page.locator("#tick-2")).to_contain_text("1.0.0 by")
        expect(page.locator("#tick-3")).to_contain_text("Run the resolve snippet")
