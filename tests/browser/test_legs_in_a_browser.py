"""The legs of a rollback, walked to their end in a browser: counted, treated, decided, verified, complete."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import axe, findings
from tests.browser.conftest import DESK, PHONE, Site
from tests.factories.rollouts import body
from tests.spans import request as request_of
from tests.spans import span

pytestmark = pytest.mark.browser
SMALL = {"width": 320, "height": 568}


def taken_back(site: Site, agent: str) -> int:
    """A rollback of a version whose conversations and tools telemetry has told of; its number."""
    metadata: dict[str, Any] = {"author": "Ada", "reviewer": "Grace", "in_flight_policy": "cancel_retry"}
    waiver = {"reason": "trial", "expires_at": "2036-01-01T00:00:00Z"}
    for label, more in (("1.0.0", {}), ("2.0.0", {"experiment": "exp-7", "output_contract": "v2"})):
        sent = body(label=label, text=f"You answer. Take {label}.", metadata=metadata | more)
        number = site.api(f"bundles/{agent}/versions", sent)["number"]
        for environment in ("staging", "prod"):
            site.api(f"deployments/{agent}/{environment}/promote", {"number": number, "waiver": waiver})
    said = {"lastgood.bundle": agent, "lastgood.version": "2.0.0"}
    spans = []
    for index in range(5):
        turn = said | {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": f"conversation-{index}"}
        tool = said | {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
        spans += [span(turn, at=datetime.now(UTC)), span(tool, at=datetime.now(UTC))]
    sent = request_of(*spans, resource={"deployment.environment.name": "prod", "cloud.region": "eu"})
    answer = site.workbench.http.post("/v1/traces", json=sent, headers=site.workbench.token())
    assert answer.is_success, answer.text
    rollback: int = site.api(f"deployments/{agent}/prod/rollback", {"reason": "wrong refunds"})["rollback"]
    report = {"instance": "eu-1", "retried": 200, "retried_ok": 200, "remaining": 0}
    site.api(f"rollbacks/{rollback}/in-flight", report)
    return rollback


def looked_at(page: Page, rollback: int) -> None:
    """Open the page of a rollback once the worker has looked at its legs."""
    for _ in range(40):
        page.goto(f"/rollbacks/{rollback}/")
        if page.get_by_text("5 conversations hold turns").count():
            return
        page.wait_for_timeout(500)
    raise AssertionError("nobody looked at the legs")


@pytest.fixture(scope="module")
def worked(site: Site) -> Site:
    site.workbench.start("worker", "clock")
    return site


def test_every_leg_is_walked_to_its_end_without_script(worked: Site) -> None:
    rollback = taken_back(worked, "walked")
    with worked.window(DESK, script=False) as page:
        looked_at(page, rollback)
        expect(page.get_by_text("200 of 200 succeeded")).to_be_visible()
        expect(page.locator("#leg-experiment")).to_contain_text("Contaminated from")
        page.locator("#leg-histories tbody tr").first.get_by_text("Treat 5").click()
        page.locator("#leg-histories tbody tr").first.get_by_role("button", name="Reset").click()
        expect(page.locator("#leg-histories")).to_contain_text("All 5 conversations have a treatment.")
        page.get_by_role("button", name="Experiment dead").click()
        expect(page.locator("#leg-experiment")).to_contain_text("exp-7: dead")
        page.get_by_role("button", name="Fix forward").first.click()
        for leg in ("Prefix cache", "Semantic cache"):
            page.get_by_role("button", name=re.compile(f"Done by hand.*{leg}")).click()
        expect(page).to_have_title(re.compile("^Complete · Rollback"))
        page.get_by_role("button", name=re.compile("Verify.*Histories")).click()
        expect(page.locator("#leg-histories")).to_contain_text("verified")


@pytest.mark.parametrize(
    ("size", "scheme"), [(DESK, "light"), (PHONE, "dark"), (SMALL, "light")], ids=["desk", "phone", "320px"]
)
def test_the_pages_of_legs_are_in_nobodys_way(worked: Site, size: dict[str, int], scheme: str) -> None:
    rollback = taken_back(worked, f"seen-{size['width']}")
    wrong = {}
    with worked.window(size, scheme=scheme) as page:
        looked_at(page, rollback)
        for path in (f"/rollbacks/{rollback}/", f"/rollbacks/{rollback}/conversations/", "/settings/connectors/"):
            page.goto(path)
            page.locator("main").evaluate("main => main.querySelectorAll('details').forEach(each => each.open = true)")
            if found := [*findings(page), *axe(page)]:
                wrong[path] = found
    assert wrong == {}
