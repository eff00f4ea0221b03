"""The refund limit, whole, by clicking: from the alert to the quarter's review, in one window of a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, DESK, Site, press
from tests.processes import installed
from tests.programs import needed
from tests.smoke.test_s7 import PACE

pytestmark = pytest.mark.browser
KEY, GOOD, BAD, FIX = "customer-service", "2.0.3", "2.1.0", "2.2.0"
SLOW = 60_000


@pytest.fixture(scope="module")
def practice(django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    """Everything that ``make run`` starts, at the pace of tests."""
    path = needed("chromium")
    env = {"LASTGOOD_PRACTICE_PACE": json.dumps(PACE)}
    with django_db_blocker.unblock(), installed(env=env) as workbench:
        workbench.start("server", "worker", "clock", "practice")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield Site(workbench, browser)
            browser.close()


def test_the_refund_limit_from_alert_to_review(practice: Site) -> None:
    with practice.window(DESK) as page:
        ref = acknowledge(page)
        triage(page, ref)
        contain(page, ref)
        case(page, ref)
        promote_the_fix(page, ref)
        resolve(page, ref)
        document(page, ref)
        remember(page, ref)


def acknowledge(page: Page) -> str:
    page.goto("/live")
    title = page.locator("#board a.title")
    expect(title).to_contain_text("Refund success", timeout=SLOW)
    press(title)
    expect(page.locator("#panel-title")).to_contain_text("Detect")
    press(page.locator("#next").get_by_role("button", name="Acknowledge"))
    expect(page.locator("#room-head")).to_contain_text(re.compile(r"Held by\s*person\s*Admin"))
    found = re.search(r"/i/(INC-\d+)/", page.url)
    assert found, page.url
    return found[1]


def triage(page: Page, ref: str) -> None:
    step(page, ref, "triage")
    expect(page.locator("#evidence")).to_contain_text("it would stop the bleed", timeout=SLOW)
    press(page.get_by_role("button", name="stop the bleed"))
    expect(page.get_by_role("button", name="stop the bleed")).to_have_attribute("aria-pressed", "true")
    press(page.get_by_role("button", name="Version regressed"))
    expect(page.get_by_role("button", name="Version regressed")).to_have_attribute("aria-pressed", "true")
    press(page.get_by_role("button", name="Spec gap"))
    press(page.get_by_role("button", name="Close triage").first)
    expect(page.get_by_role("link", name=re.compile(r"Triage \d\d:\d\d UTC"))).to_be_visible()


def contain(page: Page, ref: str) -> None:
    step(page, ref, "contain")
    press(page.locator("#roll-back"))
    expect(page.locator("#act")).to_contain_text(f"{BAD} → {GOOD}")
    expect(page.locator("#room-head")).to_contain_text("Recovered", timeout=SLOW)
    legs = page.locator("#legs button[value=done]")
    while left := legs.count():
        press(legs.first)
        expect(legs).to_have_count(left - 1)


def case(page: Page, ref: str) -> None:
    """The cause, its case from a refused refund, seen failing on the bad version and passing on the good one."""
    step(page, ref, "resolve")
    page.get_by_label("Where it came from").select_option("prompt_change")
    press(page.get_by_role("button", name="Name the cause"))
    expect(page.locator("#causes")).to_contain_text("Prompt")
    refused = page.locator("#failing li, #cases li").filter(has_text="refund_over_agent_limit")
    expect(refused.first).to_be_visible(timeout=SLOW)
    press(refused.first.get_by_role("button", name="Make case"))
    expect(page.get_by_role("button", name="Save the better case")).to_be_visible()
    step(page, ref, "resolve")
    cases = page.locator("#cases table")
    expect(cases).to_be_visible()
    press(page.get_by_role("button", name=re.compile(f"Run on (the bad version|{BAD})")))
    expect(cases).to_contain_text("Failed 1 of 1", timeout=SLOW)
    press(page.get_by_role("button", name=re.compile(f"Run on (the fix|{GOOD})")))
    expect(cases).to_contain_text("Passed 1 of 1", timeout=SLOW)


def promote_the_fix(page: Page, ref: str) -> None:
    """The fleet's owner pushes 2.2.0 with its cases; the whole set is green on it, and it goes to staging and prod."""
    page.goto("/practice/")
    press(page.get_by_role("button", name="Push the fix"))
    expect(page.locator("#now")).to_contain_text(FIX, timeout=SLOW)
    step(page, ref, "resolve")
    pipeline = page.locator("#pipeline")
    expect(pipeline).to_contain_text(f"How far {FIX} is out", timeout=SLOW)
    expect(pipeline).to_contain_text("Promote to staging")
    press(page.get_by_role("button", name="Run the full suite"))
    expect(page.locator("#runs")).to_contain_text(re.compile(rf"Passed\s*Run \d+ .* on {re.escape(FIX)}"), timeout=SLOW)
    for environment in ("staging", "prod"):
        promote(pipeline, environment)
    page.goto(f"/bundles/{KEY}/")
    expect(page.locator("main")).to_contain_text(FIX)


def promote(pipeline: Locator, environment: str) -> None:
    armed = pipeline.locator(f"#promote-{environment} details.arm")
    expect(armed).to_be_visible(timeout=SLOW)
    press(armed.locator("summary"))
    press(armed.get_by_role("button", name=f"Promote {FIX} to {environment}"))
    expect(pipeline.locator(f"#promote-{environment}")).to_have_count(0, timeout=SLOW)


def resolve(page: Page, ref: str) -> None:
    step(page, ref, "resolve")
    page.get_by_role("textbox", name="What makes it right").fill("Back to 2.0.3; 2.2.0 adds the exception path.")
    press(page.get_by_role("button", name=f"Resolve {ref}"))
    expect(page.locator("#panel")).to_contain_text("Resolved")


def document(page: Page, ref: str) -> None:
    page.goto(f"/i/{ref}/postmortem/")
    press(page.get_by_role("button", name="Start the postmortem"))
    expect(page.locator("#pm-status")).to_contain_text("Ready")
    texts = {
        "Summary": "The limit was right policy; orders with approved amounts had no exception path.",
        "Root cause": "2.1.0 lowered the limit to $100 without an exception for amounts promised before.",
        "Impact": "29 % of refunds were refused for 18 minutes; 200 waited.",
        "Resolution": "Roll back to 2.0.3, then promote 2.2.0.",
        "Prevention": "The golden set holds the refund that was refused.",
    }
    for name, text in texts.items():
        page.get_by_role("textbox", name=name, exact=True).fill(text)
    for question, answer in {
        "canary": "It was promoted without one.",
        "tests": "No case had a promised amount.",
        "change": "Right policy, without an exception.",
    }.items():
        row = page.locator(f"#escapes-{question}")
        if question == "change":
            row.get_by_role("combobox").select_option("lacked_exception")
        row.get_by_role("textbox", name="Answer").fill(answer)
    page.keyboard.press("Control+s")
    expect(page.locator("#announce")).to_have_text("Everything is saved.", timeout=SLOW)
    press(page.get_by_role("button", name="Publish revision 1"))
    expect(page.locator("#sign")).to_contain_text("Revision 1")
    for role in ("commander", "approver"):
        press(page.get_by_role("button", name=f"Sign as {role}"))
        expect(page.locator("#sign")).to_contain_text(
            re.compile(rf"Admin .*{role}|{role}.* Admin", re.IGNORECASE | re.DOTALL)
        )
    press(page.get_by_role("button", name="Approve and close"))
    expect(page).to_have_title(re.compile("Closed"))


def remember(page: Page, ref: str) -> None:
    """The versions' pages name the postmortem, and the quarter counts it."""
    for label, part in ((BAD, "at fault"), (GOOD, "gone back to")):
        page.goto(f"/bundles/{KEY}/{label}/")
        expect(page.locator("main")).to_contain_text(ref)
        expect(page.locator("main")).to_contain_text(f"{part} · revision 1")
    page.goto("/review/")
    published = page.get_by_text("Postmortems published").locator("..")
    expect(published).to_contain_text("1")
    press(published.get_by_role("link").first)
    expect(page.locator("main")).to_contain_text(ref)


def step(page: Page, ref: str, name: str) -> None:
    page.goto(f"/i/{ref}/{name}/")
    expect(page.locator("#panel-title")).to_contain_text(name.title())
