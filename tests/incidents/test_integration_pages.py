"""The cards of what is connected: added, tested, given other words, rotated and revoked in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from accounts.secrets import digest_of
from incidents.models import Incident, Integration, Receipt
from tests.browsers import Browser, text
from tests.callers import Caller, signed_in
from tests.factories.accounts import token
from tests.factories.incidents import someone
from tests.factories.rollouts import deployment
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db


def test_a_monitor_is_added_its_key_shown_once_in_what_the_sender_needs() -> None:
    browser = Browser("admin")
    page = text(browser.press("/settings/integrations/new/", name="Prometheus eu", source="alertmanager"))
    made = Integration.objects.get()
    secret = page[page.index(made.hint) :].partition("<")[0]
    assert digest_of(secret) == made.digest
    assert f"http://testserver/intake/alertmanager/{secret}" in page
    assert secret not in text(browser.get(f"/settings/integrations/{made.pk}/"))
    refused = browser.press("/settings/integrations/new/", name=" ", source="alertmanager")
    assert refused.status_code == 422
    assert browser.press("/settings/integrations/new/", name="x", source="nagios").status_code == 422


def test_cards_say_how_each_monitor_is() -> None:
    browser = Browser()
    made, _ = integration("alertmanager")
    assert "Never heard" in text(browser.get("/settings/integrations/"))
    send(made, notification(alert()))
    assert "Last heard" in text(browser.get("/settings/integrations/"))
    send(made, b"{")
    page = text(browser.get("/settings/integrations/"))
    assert "Last one unreadable" in page
    assert "1 request in quarantine" in page


def test_a_test_alert_shows_the_answer_and_opens_nothing() -> None:
    deployment("support")
    browser, (made, _) = Browser("admin"), integration("generic")
    page = text(browser.press(f"/settings/integrations/{made.pk}/test/"))
    assert "Would open an incident" in page
    assert "support/prod" in page
    assert "&quot;status&quot;: &quot;opened&quot;" in page
    assert not Incident.objects.exists()
    assert "Never heard" in text(browser.get("/settings/integrations/"))
    own = text(browser.press(f"/settings/integrations/{made.pk}/test/", body='{"title": "<b>x</b>", "status": "ok"}'))
    assert "<b>x</b>" not in own
    assert "Could not be read" in text(browser.press(f"/settings/integrations/{made.pk}/test/", body="{"))


def test_words_show_before_and_after_and_count_once_saved() -> None:
    deployment("support")
    browser, (made, _) = Browser("admin"), integration("alertmanager")
    send(made, notification(alert(severity="urgent", app="support")))
    words = {"field_bundle": "app, bundle", "severities": "urgent = SEV1\n", "environments": ""}
    page = text(browser.press(f"/settings/integrations/{made.pk}/change/", **words))
    assert "SEV3, not said → <strong>SEV1</strong>" in page
    assert "no agent we know → <strong>support/prod</strong>" in page
    made.refresh_from_db()
    assert made.settings == {}
    saved = browser.press(f"/settings/integrations/{made.pk}/change/", **words, save="1")
    assert saved.status_code == 302
    made.refresh_from_db()
    assert made.settings == {"fields": {"bundle": ["app", "bundle"]}, "severities": {"urgent": "SEV1"}}
    assert "app, bundle" in text(browser.get(f"/settings/integrations/{made.pk}/"))
    for wrong in ("urgent", "urgent = SEV9"):
        refused = browser.press(f"/settings/integrations/{made.pk}/change/", severities=wrong, save="1")
        assert refused.status_code == 422


def test_keys_are_rotated_with_grace_and_revoked() -> None:
    browser, (made, _) = Browser("admin"), integration("generic")
    page = text(browser.press(f"/settings/integrations/{made.pk}/rotate/", grace="24"))
    assert "New key" in page
    assert "taken until" in page
    assert browser.press(f"/settings/integrations/{made.pk}/former/").status_code == 302
    assert browser.press(f"/settings/integrations/{made.pk}/former/").status_code == 409
    assert browser.press(f"/settings/integrations/{made.pk}/revoke/").status_code == 302
    assert "Revoked" in text(browser.get(f"/settings/integrations/{made.pk}/"))
    for act in ("rotate", "test"):
        assert browser.press(f"/settings/integrations/{made.pk}/{act}/").status_code == 409


def test_mail_is_tested_to_oneself_and_a_refusal_is_shown(settings: Any, tmp_path: Any) -> None:
    browser = Browser("admin")
    assert "Never connected" in text(browser.get("/settings/integrations/"))
    page = text(browser.press("/settings/integrations/test/email/"))
    assert f"{browser.user.email}: The mail server took it." in page
    assert [sent.to for sent in mail.outbox] == [[browser.user.email]]
    away = {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "127.0.0.1", "port": 1}}
    settings.MAILERS = {"default": away}
    failed = browser.press("/settings/integrations/test/email/")
    assert failed.status_code == 502
    assert "refused" in text(failed)
    assert browser.press("/settings/integrations/test/slack/").status_code == 404


@pytest.mark.parametrize("act", ["test", "change", "rotate", "former", "revoke"])
def test_only_admins_press(act: str) -> None:
    made, _ = integration("generic")
    assert Browser().press(f"/settings/integrations/{made.pk}/{act}/").status_code == 403
    assert not Receipt.objects.exists()


def test_a_resolver_key_is_issued_for_an_environment_and_revoked() -> None:
    browser = Browser("admin")
    page = text(browser.press("/settings/tokens/key/", **{"key-name": "edge", "key-environment": "staging"}))
    assert "lgr_" in page
    assert "edge" in text(browser.get("/settings/tokens/"))
    assert browser.press("/settings/tokens/key/", **{"key-name": "edge", "key-environment": "moon"}).status_code == 422
    assert Browser().press("/settings/tokens/key/", **{"key-name": "x"}).status_code == 403


def test_an_admin_at_the_command_line_has_every_verb_of_the_cards() -> None:
    deployment("support")
    caller = signed_in(someone("Ada", "admin"))
    added = caller.post("/api/v1/integrations", {"source": "generic", "name": "home-made"})
    assert (added.status_code, added["Cache-Control"]) == (201, "no-store")
    told = added.json()
    assert told["url"].endswith(f"/intake/generic/{told['key']}")
    where = f"/api/v1/integrations/{told['id']}"
    words = {"severities": {"urgent": "SEV1"}}
    assert caller.post(f"{where}/settings", words).json()["settings"] == words
    alert_body = {"title": "Odd", "severity": "urgent", "bundle": "support"}
    tried = caller.post(f"{where}/test", {"body": alert_body}).json()
    (would,) = tried["would"]
    assert (would["status"], would["severity"], would["deployment"]) == ("opened", "SEV1", "support/prod")
    assert not Incident.objects.exists()
    rotated = caller.post(f"{where}/rotate", {"grace_hours": 24}).json()
    assert rotated["key"] != told["key"]
    assert rotated["old_key_until"] is not None
    listed = caller.get("/api/v1/integrations").json()["items"]
    assert "key" not in listed[0]
    assert caller.post(f"{where}/revoke").json()["revoked_at"] is not None
    assert caller.post(f"{where}/revoke").status_code == 409
    assert caller.get(f"/api/v1/integrations?cursor={10**30}").status_code == 422
    assert caller.post(f"/api/v1/integrations/{10**30}/revoke").status_code == 404
    assert Caller(token()[1]).get("/api/v1/integrations").status_code == 403
