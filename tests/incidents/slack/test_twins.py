"""Every verb of Slack has a page and a route that do the same, under the same permission; or a written reason."""

from __future__ import annotations

import pytest
from django.urls import get_resolver

from accounts.permissions import GRANTS, needed_for
from incidents.slack import doors
from incidents.slack.verbs import VERBS
from tests.test_architecture import ROOT, patterns
from workbench.api import api

PAGES = {name for _, name in patterns(get_resolver())}
ROUTES = {
    f"api:{operation.url_name or operation.view_func.__name__}"
    for _, router in api._routers
    for view in router.path_operations.values()
    for operation in view.operations
}
#: What the issue and the surface promise.
PROMISED = {
    "",
    "ack",
    "declare",
    "help",
    "legs",
    "link",
    "list",
    "note",
    "oncall",
    "resolve",
    "role",
    "rollback",
    "sev",
    "status",
    "stop",
}


def test_every_promised_verb_is_there() -> None:
    assert set(VERBS) >= PROMISED


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_a_browser_and_an_api_twin_under_the_same_permission(name: str) -> None:
    verb = VERBS[name]
    needed = needed_for(f"slack:{name}")
    assert needed is not None
    assert verb.browser or verb.without
    assert verb.api or verb.without
    if verb.browser:
        assert verb.browser in PAGES
        assert needed_for(f"url:{verb.browser}") == needed
    if verb.api:
        assert verb.api in ROUTES
        assert needed_for(f"url:{verb.api}") == needed


def test_the_page_about_slack_names_every_command_and_asks_for_every_scope() -> None:
    page = (ROOT / "docs/slack.md").read_text()
    assert [name for name, verb in VERBS.items() if verb.usage and f"`{name}" not in page] == []
    for scope in ("commands", "chat:write", "channels:history", "groups:history", "channels:join", "reactions:read"):
        assert f"- {scope}\n" in page
    for door in doors.PATHS:
        assert f"https://lastgood.example{door}\n" in page
    assert "- reaction_added\n" in page


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if verb.person])
def test_what_only_people_may_do_no_token_may(name: str) -> None:
    needed = needed_for(f"slack:{name}")
    assert needed is not None
    assert not GRANTS[needed][1]


def test_acknowledging_and_resolving_are_for_people() -> None:
    assert VERBS["ack"].person
    assert VERBS["resolve"].person
