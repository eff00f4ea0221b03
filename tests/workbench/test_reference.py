"""The API's own pages: no route without a sentence, a permission and a way to call it."""

from __future__ import annotations

import json
import shlex

import pytest
from django.test import Client

from accounts.permissions import GRANTS, Permission
from tests.browsers import Browser, text
from workbench.reference import routes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
def test_every_route_says_what_it_does_and_who_may(route: object) -> None:
    each = next(found for found in routes() if found is route)
    assert each.summary
    assert each.text.endswith((".", "`")), f"{each.method} {each.path} has no docstring that ends in a full stop"
    assert each.tag
    assert each.permission is not None
    assert each.permission == Permission.PUBLIC or each.permission in GRANTS
    asked = shlex.split(each.curl.replace("\\\n", ""))
    assert asked[0] == "curl"
    if "-d" in asked:
        json.loads(asked[asked.index("-d") + 1])


def test_no_two_routes_share_an_anchor() -> None:
    anchors = [route.anchor for route in routes()]
    assert len(anchors) > 40
    assert len(set(anchors)) == len(anchors)


def test_the_page_shows_scope_members_and_a_call_and_is_searched() -> None:
    browser = Browser("viewer")
    page = text(browser.get("/api/docs"))
    assert page.count('class="route"') == len(routes())
    promote = text(browser.get("/api/docs", q="promote deployments approver"))
    assert promote.count('class="route"') < len(routes())
    assert "waiver.expires_at" in promote
    assert "scope approver" in promote
    assert "-X POST" in promote
    only_people = text(browser.get("/api/docs", q="acknowledge incidents post"))
    assert "people only" in only_people
    assert "No route holds “&lt;b&gt;”" in text(browser.get("/api/docs", q="<b>"))
    assert text(browser.region("/api/docs", "section#routes", q="receipts")).lstrip().startswith('<section id="routes"')


def test_it_is_for_those_who_may_view_and_needs_nothing_from_elsewhere() -> None:
    assert Client().get("/api/docs").status_code == 401
    page = text(Browser("viewer").get("/api/docs"))
    assert "//cdn" not in page
    assert page.count("<script") == 2
    document = Browser("viewer").get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.")
