"""A real Chromium at a real server, on a site with one open incident and something to go back to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.factories.rollouts import body
from tests.processes import Workbench, installed
from tests.programs import needed

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
PHONE = {"width": 375, "height": 667}
DESK = {"width": 1280, "height": 800}
#: What a page says of a press within 400 ms of a swap, which does not count.
JUST_CHANGED = "That just changed. Press again."


def press(what: Locator) -> None:
    """Click as a person does: again, a moment later, when the page says that it just changed under the finger."""
    heard = what.page.locator("#announce")
    for _ in range(10):
        heard.evaluate("box => { box.textContent = ''; }")
        what.click()
        try:
            expect(heard).to_have_text(JUST_CHANGED, timeout=200)
        except AssertionError:
            return
        what.page.wait_for_timeout(450)
    raise AssertionError(f"{what} kept changing under the finger")


class Site:
    """A running workbench and windows onto it; ``said`` collects what the browser complained of."""

    def __init__(self, workbench: Workbench, chromium: Browser) -> None:
        self.workbench, self.chromium, self.said = workbench, chromium, list[str]()
        self.state: Any = None

    def api(self, path: str, payload: dict[str, Any]) -> dict[str, Any]:
        answer = self.workbench.http.post(f"/api/v1/{path}", json=payload, headers=self.workbench.token())
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def incident(
        self, title: str = "Refund agent pays twice", *, agent: str = "refunds", severity: str = "SEV1"
    ) -> str:
        """An open incident about a fresh ``agent`` that has something to go back to; its reference."""
        for label in ("1.0.0", "2.0.0"):
            made = self.api(f"bundles/{agent}/versions", body(label=label, text=f"You answer. Take {label}."))
            for environment in ("staging", "prod"):
                waiver = {"reason": "trial", "expires_at": "2036-01-01T00:00:00Z"}
                self.api(f"deployments/{agent}/{environment}/promote", {"number": made["number"], "waiver": waiver})
        fields = {"title": title, "severity": severity, "deployment": f"{agent}/prod"}
        ref: str = self.api("incidents", fields)["ref"]
        return ref

    @contextlib.contextmanager
    def window(self, size: dict[str, int] = DESK, *, scheme: str = "light", script: bool = True) -> Iterator[Page]:
        """A signed-in page; whatever the browser complains of fails the test."""
        context = self.chromium.new_context(
            viewport=size,  # type: ignore[arg-type]
            color_scheme=scheme,  # type: ignore[arg-type]
            has_touch=size["width"] < 600,
            java_script_enabled=script,
            base_url=self.workbench.url,
            storage_state=self.state,
        )
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("console", lambda message: self.said.append(message.text) if message.type == "error" else None)
        try:
            if self.state is None:
                self.sign_in(page)
                self.state = context.storage_state()
            yield page
        finally:
            context.close()
        expected = ("status of 409", "status of 422", "status of 503")  # answers, told to the person on the page
        assert [said for said in self.said if not any(text in said for text in expected)] == []

    @contextlib.contextmanager
    def stranger(self, size: dict[str, int] = DESK, *, scheme: str = "light") -> Iterator[Page]:
        """A page of somebody who is not signed in."""
        kept, self.state = self.state, {"cookies": [], "origins": []}
        try:
            with self.window(size, scheme=scheme) as page:
                yield page
        finally:
            self.state = kept

    def sign_in(self, page: Page) -> None:
        admin = self.workbench.credentials["admin"]
        page.goto("/accounts/login/?next=/live")
        page.get_by_label("Email").fill(admin["email"])
        page.get_by_label("Password").fill(admin["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/live")


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    """One site for a module's tests; each makes its own incident.

    Playwright's event loop keeps Django's ORM from being used in this thread, so it begins after the databases are
    made and ends before they are dropped. A machine without Chromium skips before anything is started.
    """
    path = needed("chromium")
    with django_db_blocker.unblock(), installed() as workbench:
        workbench.start("server")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield Site(workbench, browser)
            browser.close()
