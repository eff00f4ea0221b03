"""What a bundle is and what runs of it, on a desk, on a phone, without script."""

from __future__ import annotations

import copy

import pytest

from tests.browser.accessibility import axe, findings
from tests.browser.conftest import DESK, PHONE, Site
from tests.factories.rollouts import body

pytestmark = pytest.mark.browser
LONG = "Call get_order(order_id=…, currency_of_the_customers_own_country_and_region=…) first. " * 2


def drifted(site: Site, agent: str) -> None:
    """Two versions, the second with findings and an alias; a report that nobody reviewed; a second agent's prompt."""
    site.incident(agent=agent)
    odd = body(label="3.0.0", text=LONG, model={"snapshot": "claude-sonnet-4-5"}, harness={"context_policy": "all"})
    site.api(f"bundles/{agent}/versions", odd)
    site.api(f"bundles/{agent}-emea/versions", {**copy.deepcopy(odd), "label": "9.0.0"})
    waiver = {"reason": "trial", "expires_at": "2036-01-01T00:00:00Z"}
    steady = body(label="4.0.0", text=LONG, model={"snapshot": "claude-sonnet-4-5-20260101"})
    made = site.api(f"bundles/{agent}/versions", steady)
    site.api(f"deployments/{agent}/staging/promote", {"number": made["number"], "waiver": waiver})
    report = {"prompt": {"text": "Edited at 23:00."}, "source": "vendor dashboard, workspace “customer service”"}
    site.api(f"deployments/{agent}/prod/report", report)


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_identity_is_in_nobodys_way(site: Site, size: dict[str, int], scheme: str) -> None:
    agent = f"identity-{size['width']}"
    drifted(site, agent)
    wrong = {}
    with site.window(size, scheme=scheme) as page:
        for path in (
            "/bundles/",
            "/bundles/?drift=unreviewed",
            f"/bundles/{agent}/",
            f"/bundles/{agent}/#rules",
            f"/bundles/{agent}/3.0.0/",
            f"/bundles/{agent}/diff/2.0.0..3.0.0/",
        ):
            page.goto(path, wait_until="domcontentloaded")
            if found := findings(page) + axe(page):
                wrong[path] = found
    assert wrong == {}


def test_rules_are_set_without_script(site: Site) -> None:
    drifted(site, "ruled")
    with site.window(script=False) as page:
        page.goto("/bundles/ruled/")
        page.locator("#rules summary").click()
        page.get_by_label("Phrases that must not be there").fill("guarantee")
        page.get_by_role("button", name="Save rules").click()
        page.locator("#rules summary").click()
        assert page.get_by_label("Phrases that must not be there").input_value() == "guarantee"
