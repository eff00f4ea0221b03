"""Every page, in both themes, on a desk, on a phone and at 320 px."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests import spans
from tests.browser.accessibility import axe, findings
from tests.browser.conftest import DESK, PHONE, Site, press
from tests.browser.pages import PAGES
from tests.factories.evals import junit

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("size", "scheme"),
    [(DESK, "light"), (DESK, "dark"), (PHONE, "dark"), ({"width": 320, "height": 568}, "light")],
    ids=["desk-light", "desk-dark", "phone-dark", "320px-light"],
)
def test_nothing_is_in_anybodys_way(site: Site, size: dict[str, int], scheme: str) -> None:
    agent = f"refunds-{size['width']}-{scheme}"
    wrong = {}
    # Both themes and both sizes are seen by axe; our own look at what it cannot see covers all four.
    look = (lambda page: findings(page) + axe(page)) if (scheme == "light") == (size == DESK) else findings
    with site.window(size, scheme=scheme) as page:
        names = furnished(site, page, agent)
        for path in PAGES:
            page.goto(path.format(**names).replace("refunds", agent), wait_until="domcontentloaded")
            if found := look(page):
                wrong[path] = found
        page.goto(f"/i/{names['ref']}/contain/")
        press(page.locator("#roll-back"))
        page.get_by_text("Rolled back", exact=True).first.wait_for()
        if found := look(page):
            wrong["after the press"] = found
        site.said = [said for said in site.said if "status of 40" not in said]  # one is missing, one misasked
    assert wrong == {}, "\n".join(f"{path}: {each}" for path, found in wrong.items() for each in found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_who_is_not_signed_in_finds_the_way_in(site: Site, scheme: str) -> None:
    wrong = {}
    with site.stranger(PHONE, scheme=scheme) as page:
        for path in ("/accounts/login/?next=/live", "/sign-in/made-up/", "/oncall/ack/made-up/", "/nowhere/"):
            page.goto(path)
            if found := findings(page) + axe(page):
                wrong[path] = found
        site.said = [said for said in site.said if "status of 404" not in said]
    assert wrong == {}, "\n".join(f"{path}: {each}" for path, found in wrong.items() for each in found)


def furnished(site: Site, page: Page, agent: str) -> dict[str, str]:
    """Something on every page: a run, a case with its eval run, a published postmortem, a destination."""
    ref = site.incident("Refund agent pays twice, and says so in a very long title " * 3, agent=agent)
    fresh = site.api("incidents", {"title": "Nobody has written about this", "severity": "SEV4"})["ref"]
    at, http, token = datetime.now(UTC), site.workbench.http, site.workbench.token()
    about = {"lastgood.bundle": agent, "lastgood.version": "2.0.0", "gen_ai.operation.name": "invoke_agent"}
    trace = f"{len(agent):x}".rjust(2, "a") * 16
    told = spans.request(spans.span(about, at=at, trace=trace, status=spans.ERROR, message="paid twice"))
    otlp = {"Authorization": f"Bearer {site.workbench.credentials['otlp_key']}"}
    assert http.post("/v1/traces", json=told, headers=otlp).status_code == 200
    check = {"kind": "rubric", "body": {"text": "Polite."}}
    made = site.api(
        f"incidents/{ref}/cases", {"title": "Polite", "key": "polite", "inputs": {"message": "Hi"}, "check": check}
    )
    results = f"/api/v1/bundles/{agent}/versions/2.0.0/eval-runs/junit"
    filed = http.post(results, content=junit(polite="fail"), headers=token | {"Content-Type": "application/xml"})
    assert filed.status_code == 201, filed.text
    site.incident("Taken back already", agent=f"{agent}-before", severity="SEV3")
    taken_back = site.api(f"deployments/{agent}-before/prod/rollback", {})
    site.api(f"incidents/{ref}/postmortem", {})
    page.goto(f"/i/{ref}/postmortem/")
    press(page.get_by_role("button", name="Publish revision 1"))
    expect(page.locator("#sign")).to_contain_text("Revision 1")
    page.goto("/settings/notifications/")
    page.get_by_label("Name").fill(f"Room of {agent}")
    page.get_by_label("Address").fill(f"{agent}@example.com")
    press(page.get_by_role("button", name="Add destination"))
    link = page.get_by_role("link", name=f"Room of {agent}")
    found = (link.get_attribute("href") or "").rstrip("/").rpartition("/")[2]
    names = {"ref": ref, "fresh": fresh, "day": str(at.date()), "trace": trace, "destination": found}
    numbers = {"case": made["id"], "run": filed.json()["run"], "rollback": taken_back["rollback"]}
    return names | {name: str(number) for name, number in numbers.items()}
