"""The page a team connects its own agent from."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils.html import escape

from accounts import clock
from accounts.models import ApiToken, AuditEntry, ResolverKey
from accounts.secrets import digest_of
from incidents import connecting
from incidents.models import Integration
from rollouts.models import Instance
from tests.browsers import Browser, text
from tests.factories.incidents import someone
from tests.factories.rollouts import running
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("lang", connecting.LANGUAGES)
@pytest.mark.parametrize("monitor", ["alertmanager", "generic"])
def test_every_language_is_filled_in(lang: str, monitor: str) -> None:
    page = text(Browser().get("/connect/", lang=lang, agent="support.eu", environment="staging", monitor=monitor))
    assert "§" not in page
    assert "support.eu" in page
    assert "http://testserver/v1/traces" in page
    assert escape(connecting.RESOLVER_KEY) in page
    assert f"/intake/{monitor}/{escape(connecting.INTAKE_KEY)}" in page


def test_unknown_choices_are_the_first_ones_and_a_wrong_key_is_said() -> None:
    page = text(Browser().get("/connect/", lang="cobol", environment="moon", monitor="x", agent="<b>a b</b>"))
    assert "pip install" in page
    assert "A key is agent or agent.variant" in page
    assert "<b>a b</b>" not in page


def test_keys_are_made_shown_once_and_named_after_the_agent() -> None:
    browser = Browser("admin")
    page = text(
        browser.press(
            "/connect/keys/",
            lang="curl",
            agent="support",
            environment="prod",
            monitor="generic",
            alerts="on",
            days="90",
        )
    )
    resolver, token, made = ResolverKey.objects.get(), ApiToken.objects.get(), Integration.objects.get()
    assert (resolver.name, resolver.environment, token.scopes) == ("support in prod", "prod", ["telemetry"])
    assert resolver.expires_at is not None
    assert resolver.expires_at == token.expires_at
    for row in (resolver, token, made):
        secret = page[page.index(row.hint) :].partition("<")[0]
        assert digest_of(secret) == row.digest
        assert page.count(secret) == 2  # once by itself, once in the text to copy
    assert {entry.verb for entry in AuditEntry.objects.all()} >= {"issue token", "issue resolver key"}
    again = text(browser.get("/connect/", lang="curl", agent="support"))
    assert escape(connecting.RESOLVER_KEY) in again
    assert f"{resolver.hint}…" in again


def test_keys_need_an_agent_and_an_admin() -> None:
    assert Browser("admin").press("/connect/keys/", agent="").status_code == 422
    assert Browser("admin").press("/connect/keys/", agent="a b").status_code == 422
    assert Browser().press("/connect/keys/", agent="support").status_code == 403
    assert not ResolverKey.objects.exists()
    someone("Ada", "admin")
    assert "Ada." in text(Browser().get("/connect/", agent="support"))


def test_what_was_seen_is_ticked_with_its_evidence_and_asked_again_it_is_unchanged() -> None:
    where, browser = running("1.0.0", key="support"), Browser()
    before = text(browser.get("/connect/", agent="support"))
    assert "/bundles/support/1.0.0/" in before
    assert "Run the resolve snippet" in before
    at = clock.now()
    Instance.objects.create(deployment=where, name="pod-7", version_number=1, fetched_at=at, last_seen_at=at)
    send(integration()[0], notification(alert(annotations={"bundle": "support"}, title="<i>Odd</i>")))
    ticks = browser.region("/connect/", "section#ticks", agent="support")
    assert text(ticks).lstrip().startswith('<section id="ticks"')
    assert "pod-7 fetched version 1" in text(ticks)
    assert "“&lt;i&gt;Odd&lt;/i&gt;”" in text(ticks)
    assert browser.region("/connect/", "section#ticks", tag=ticks["HX-PTag"], agent="support").status_code == 304
    elsewhere = text(browser.get("/connect/", agent="support", environment="dev"))
    assert "pod-7" not in elsewhere


def test_the_page_costs_few_queries(django_assert_max_num_queries: object) -> None:
    running("1.0.0", key="support")
    browser = Browser("admin")
    browser.get("/live")
    with django_assert_max_num_queries(15):  # type: ignore[operator]
        browser.get("/connect/", agent="support")


def test_a_run_outside_a_room_is_found_or_not() -> None:
    browser = Browser()
    assert browser.get("/runs/2026-11-20/nothing/").status_code == 404
    assert browser.get("/runs/never/x/").status_code == 404
    assert Client().get("/connect/").status_code == 302
