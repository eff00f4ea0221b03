"""Every page, in both themes, on a desk, on a phone and at 320 px."""

from __future__ import annotations

import pytest

from incidents.views.frame import COMPONENTS
from tests.browser.accessibility import axe, findings
from tests.browser.conftest import DESK, PHONE, Site, press

pytestmark = pytest.mark.browser

PAGES = [
    "/live",
    "/incidents/",
    "/incidents/?q=nothing",
    "/incidents/declare/",
    "/i/{ref}/detect/",
    "/i/{ref}/triage/?evidence=1",
    "/i/{ref}/contain/",
    "/i/{ref}/contain/?tab=timeline",
    "/i/{ref}/resolve/?evidence=1",
    "/i/{ref}/cases/new/",
    "/i/{ref}/postmortem/",
    "/bundles/",
    "/bundles/refunds/",
    "/bundles/refunds/2.0.0/",
    "/bundles/refunds/evals/",
    "/bundles/refunds/stops/",
    "/bundles/refunds/diff/1.0.0..2.0.0/",
    "/fleet/",
    "/oncall/",
    "/audit/?verify=1",
    "/settings/people/",
    "/settings/tokens/",
    "/settings/integrations/",
    "/settings/notifications/",
    "/receipts/",
    "/settings/people/1/?roles=viewer",
    "/settings/integrations/1/",
    "/settings/keys/",
    "/connect/?agent=refunds",
    "/connect/?agent=a b&lang=java",
    "/api/docs?q=promote",
    "/api/docs",
    "/incidents/?severity=SEV4&q=nothing&quarter=soon",
    "/settings/styleguide/",
    *[f"/settings/styleguide/{name}/" for name in COMPONENTS],
    "/nowhere/",
]


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESK, "light"), (DESK, "dark"), (PHONE, "dark"), ({"width": 320, "height": 568}, "light")],
    ids=["desk-light", "desk-dark", "phone-dark", "320px-light"],
)
def test_nothing_is_in_anybodys_way(site: Site, size: dict[str, int], scheme: str) -> None:
    agent = f"refunds-{size['width']}-{scheme}"
    ref = site.incident("Refund agent pays twice, and says so in a very long title " * 3, agent=agent)
    wrong = {}
    # Both themes and both sizes are seen by axe; our own look at what it cannot see covers all four.
    look = (lambda page: findings(page) + axe(page)) if (scheme == "light") == (size == DESK) else findings
    with site.window(size, scheme=scheme) as page:
        for path in PAGES:
            page.goto(path.format(ref=ref).replace("refunds", agent), wait_until="domcontentloaded")
            if found := look(page):
                wrong[path] = found
        page.goto(f"/i/{ref}/contain/")
        press(page.locator("#roll-back"))
        page.get_by_text("Rolled back", exact=True).first.wait_for()
        if found := look(page):
            wrong["after the press"] = found
        site.said = [said for said in site.said if "status of 40" not in said]  # one is missing, one misasked
    assert wrong == {}
