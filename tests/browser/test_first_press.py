"""A newcomer's first press, by clicking at 375 px: with a finger, by keyboard alone, and without any script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Response, expect, sync_playwright

from tests.processes import Workbench, installed
from tests.programs import needed
from tests.smoke.test_s7 import PACE

pytestmark = pytest.mark.browser
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
#: Collected by the page itself, since not every violation is printed.
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""
SLOW = 30_000


@pytest.fixture(scope="module")
def workbench(django_db_setup: None, django_db_blocker: Any) -> Iterator[Workbench]:
    """Everything that ``make run`` starts, at the pace of tests."""
    needed("chromium")
    with (
        django_db_blocker.unblock(),
        installed(env={"LASTGOOD_PRACTICE_PACE": json.dumps(PACE)}) as started,
    ):
        started.start("server", "worker", "clock", "practice")
        yield started


@pytest.fixture(scope="module")
def browser(workbench: Workbench) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=needed("chromium"), args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Phone:
    """One signed-in page at 375 px and what went wrong in it."""

    page: Page
    script: bool
    by_keyboard: bool = False
    wrong: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"{message.type}: {message.text}")

    def threw(self, error: Error) -> None:
        self.wrong.append(str(error))

    def answered(self, response: Response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status} {response.url}")

    def do(self, what: Locator, key: str = "") -> None:
        """Press it: by tapping, or with the keyboard by its single key or by focus and Enter."""
        expect(what).to_be_visible(timeout=SLOW)
        self.page.wait_for_timeout(600)  # a press right after a swap is ignored on purpose
        if not self.by_keyboard:
            what.click()
        elif key:
            self.page.keyboard.press(key)
        else:
            what.focus()
            self.page.keyboard.press("Enter")

    def eventually(self, what: Locator, text: str | re.Pattern[str]) -> None:
        """The text comes by itself; without script by loading the page again."""
        if self.script:
            expect(what).to_contain_text(text, timeout=SLOW)
            return
        for _ in range(60):
            if what.count() and re.search(text, what.first.inner_text()):
                return
            self.page.wait_for_timeout(500)
            self.page.reload()
        expect(what.first).to_contain_text(text)

    def fits(self) -> None:
        """Nothing is wider than the phone."""
        if self.script:
            width = self.page.evaluate("document.documentElement.scrollWidth")
            assert width <= 375, f"{self.page.url} is {width} px wide"


@pytest.mark.parametrize("way", ["finger", "keyboard", "no script"])
def test_a_newcomer_contains_the_incident(workbench: Workbench, browser: Browser, way: str) -> None:
    workbench.manage("practice", "--anew")
    script = way != "no script"
    context = browser.new_context(viewport={"width": 375, "height": 812}, java_script_enabled=script)
    page = context.new_page()
    phone = Phone(page, script, by_keyboard=way == "keyboard")
    page.on("console", phone.heard)
    page.on("pageerror", phone.threw)
    page.on("response", phone.answered)
    if script:
        page.add_init_script(LISTEN)
    sign_in = json.loads(workbench.manage("prepare", "--json").stdout)["sign_in"]
    try:
        live_through(phone, sign_in)
        if script:
            assert page.evaluate("window.violations") == []
        assert phone.wrong == []
    finally:
        context.close()


def live_through(phone: Phone, sign_in: str) -> None:
    """Live board → incident → acknowledge → triage → one press → legs, who, how long → recovered."""
    page = phone.page
    page.goto(sign_in)
    phone.do(page.get_by_role("button", name="Sign in"))
    expect(page.locator(".banner.practice")).to_contain_text("Practice data")

    phone.eventually(page.locator("#board"), "Refund success of customer-service is 7")
    phone.fits()
    phone.do(page.locator("#board a.title"))
    expect(page.locator("#panel-title")).to_have_text("Detect: is it real, and who has it?")
    expect(page.locator("#panel")).to_contain_text("refund_success_rate")
    phone.fits()
    phone.do(page.locator("#next").get_by_role("button", name="Acknowledge"), key="a")
    expect(page.locator("#room-head")).to_contain_text(re.compile(r"Held by\s*person\s*Admin"))

    phone.do(page.locator(".room-steps a").filter(has_text="Triage"), key="2")
    expect(page.locator("#panel-title")).to_contain_text("Triage")
    if not phone.script:
        page.locator("#evidence a").first.click()
    expect(page.locator("#evidence")).to_contain_text("it would stop the bleed", timeout=SLOW)
    expect(page.locator("#evidence")).to_contain_text("failed of")
    phone.fits()
    if not phone.script:
        page.go_back()
    phone.do(page.get_by_role("button", name="stop the bleed"))
    expect(page.get_by_role("button", name="stop the bleed")).to_have_attribute("aria-pressed", "true")

    expect(page.locator("#next")).to_contain_text("Roll back to 2.0.3")
    press = page.locator("#roll-back")
    page.wait_for_timeout(600)
    if phone.by_keyboard:
        page.keyboard.press("Shift+R")  # brings the focus there and does nothing else
        expect(press).to_be_focused()
        page.keyboard.press("Enter")
    else:
        press.click()

    act = page.locator("#act")
    expect(act).to_contain_text("2.1.0 → 2.0.3", timeout=SLOW)
    expect(act).to_contain_text("Rolled back")
    expect(act).to_contain_text("Admin")
    expect(act).to_contain_text(re.compile(r"Decided to committed\s*[\d.]+ m?s"))
    expect(page.locator("#legs")).to_contain_text(re.compile(r"Legs \d/7"))
    phone.fits()
    phone.eventually(act, re.compile(r"Until the last instance fetched it\s*[\d.]+ m?s\s*20 instances", re.IGNORECASE))
    phone.eventually(page.locator("#room-head"), "Recovered")
    page.goto(re.sub(r"/i/.*", "/live", page.url))
    phone.eventually(page.locator(".banner.practice"), "refused refunds, tried again, have gone through")
    phone.fits()
