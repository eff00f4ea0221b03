"""Declaring, being on call, the link that wakes one person, the record of acts, settings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from accounts import clock
from accounts.models import ApiToken, AuditEntry, SiteRole, User
from incidents.models import AcknowledgeLink, Incident
from incidents.operations import acknowledge
from incidents.views.frame import COMPONENTS
from tests.browsers import Browser, text
from tests.factories.accounts import token
from tests.factories.incidents import incident, on_call, someone
from tests.factories.rollouts import deployment

pytestmark = pytest.mark.django_db


# -- declaring -----------------------------------------------------------------------------------------------------
def test_a_title_is_enough_to_declare_and_leads_to_the_room() -> None:
    answer = Browser().press("/incidents/declare/", title="Refund agent pays twice", severity="SEV2")
    room = Incident.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/i/{room.ref}/")
    assert (room.title, room.severity, room.deployment) == ("Refund agent pays twice", "SEV2", None)


def test_declaring_takes_an_agent_and_a_note_too() -> None:
    somewhere = deployment()
    Browser().press("/incidents/declare/", title="Odd", severity="SEV3", deployment=somewhere.pk, note="EU only")
    room = Incident.objects.get()
    assert room.deployment == somewhere
    assert room.timeline.filter(kind="note", text="EU only").exists()


def test_a_missing_title_is_a_summary_with_a_link_and_the_input_is_kept() -> None:
    answer = Browser().press("/incidents/declare/", title=" ", severity="SEV1", note="kept")
    page = text(answer)
    assert answer.status_code == 422
    assert "<title>Error: Declare incident" in page
    assert '<a href="#id_title">Say what is wrong, in a title.</a>' in page
    assert 'aria-invalid="true"' in page
    assert "kept" in page
    assert not Incident.objects.exists()


def test_whoever_can_sign_in_can_say_that_something_is_wrong() -> None:
    assert Browser("viewer").press("/incidents/declare/", title="It pays twice", severity="SEV1").status_code == 302
    assert Incident.objects.get().title == "It pays twice"


# -- on call -------------------------------------------------------------------------------------------------------
def test_on_call_says_who_is_on_and_what_waits() -> None:
    assert "Nobody is on call" in text(Browser().get("/oncall/"))
    on_call(someone("Mara"))
    room = incident(title="Pays twice", severity="SEV1")
    page = text(Browser().get("/oncall/"))
    assert "Mara" in page
    assert f"/i/{room.ref}/acknowledge/" in page
    assert "<title>1 waiting · On-call" in page
    assert text(Browser().region("/oncall/", "section#rota")).lstrip().startswith('<section id="rota"')


def test_opening_an_acknowledge_link_shows_and_only_its_button_acknowledges() -> None:
    room, mara = incident(title="Pays <b>twice</b>", severity="SEV1"), someone("Mara")
    path = f"/oncall/ack/{acknowledge.make_link(room, mara)}/"
    stranger = Client()
    shown = stranger.get(path)
    assert "Pays &lt;b&gt;twice&lt;/b&gt;" in text(shown)
    assert shown["Referrer-Policy"] == "no-referrer"
    assert len(shown.content) < 15_000
    assert "<script" not in text(shown)
    room.refresh_from_db()
    assert room.acknowledged_at is None
    pressed = stranger.post(path)
    assert "You have it" in text(pressed)
    room.refresh_from_db()
    assert room.acknowledged_by == mara
    assert "You have it" in text(stranger.post(path))


def test_an_expired_or_unknown_link_says_so_and_does_nothing() -> None:
    room = incident(severity="SEV1")
    path = f"/oncall/ack/{acknowledge.make_link(room, someone('Mara'))}/"
    AcknowledgeLink.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    for answer in (Client().get(path), Client().post(path)):
        assert answer.status_code == 410
        assert "has expired" in text(answer)
    assert Client().post("/oncall/ack/nonsense/").status_code == 404
    room.refresh_from_db()
    assert room.acknowledged_at is None


def test_somebody_elses_acknowledgement_is_told_on_the_link() -> None:
    room = incident(severity="SEV1")
    path = f"/oncall/ack/{acknowledge.make_link(room, someone('Mara'))}/"
    acknowledge.use_link(acknowledge.make_link(room, someone("Jo")))
    answer = Client().post(path)
    assert answer.status_code == 409
    assert "Jo acknowledged" in text(answer)


# -- audit ---------------------------------------------------------------------------------------------------------
def test_the_audit_log_is_found_by_word_and_verified() -> None:
    token(issuer=someone("Ada", SiteRole.ADMIN))
    browser = Browser("viewer")
    page = text(browser.get("/audit/", q="issue"))
    assert "issue token" in page
    assert "Nothing matches" in text(browser.get("/audit/", q="no such thing"))
    assert f"Rows 1 to {AuditEntry.objects.count()} are as they were written." in text(browser.get("/audit/", verify=1))
    assert text(browser.region("/audit/", "section#entries")).lstrip().startswith('<section id="entries"')


# -- settings ------------------------------------------------------------------------------------------------------
def test_an_admin_invites_by_a_link_that_signs_in() -> None:
    answer = Browser("admin").press(
        "/settings/people/invite/", email="new@example.com", name="New", roles=["responder"]
    )
    page = text(answer)
    user = User.objects.get(email="new@example.com")
    assert user.roles == ["responder"]
    link = page[page.index("http://testserver/sign-in/") :].partition("<")[0]
    assert Client().get(link.removeprefix("http://testserver")).status_code == 200
    again = Browser("admin").press("/settings/people/invite/", email="NEW@example.com", roles=["viewer"])
    assert again.status_code == 422
    assert "was invited already" in text(again)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/settings/people/invite/", {"email": "x@example.com", "roles": ["admin"]}),
        ("/settings/people/{pk}/roles/", {"roles": ["admin"], "active": "on"}),
        ("/settings/tokens/issue/", {"name": "mine", "scopes": ["contain"]}),
        ("/settings/tokens/token/1/revoke/", {}),
    ],
)
def test_only_admins_change_people_and_tokens(path: str, fields: dict[str, object]) -> None:
    browser = Browser()
    answer = browser.press(path.format(pk=browser.user.pk), **fields)
    assert answer.status_code == 403
    assert not ApiToken.objects.exists()
    browser.user.refresh_from_db()
    assert browser.user.roles == ["responder"]
    assert User.objects.count() == 1


def test_a_tokens_secret_is_shown_once() -> None:
    browser = Browser("admin")
    fields = {"token-name": "pipeline", "token-scopes": ["push", "approver"], "token-days": "30"}
    page = text(browser.press("/settings/tokens/issue/", **fields))
    issued = ApiToken.objects.get()
    assert issued.scopes == ["approver", "push"]
    assert f">{issued.hint}" in page.partition("Issued")[2][:600]
    assert "shown this once" not in text(browser.get("/settings/tokens/"))
    assert browser.press("/settings/tokens/issue/", **fields | {"token-name": ""}).status_code == 422
    browser.press(f"/settings/tokens/token/{issued.pk}/revoke/")
    issued.refresh_from_db()
    assert issued.revoked_at is not None


@pytest.mark.parametrize(
    "path", ["/settings/people/", "/settings/tokens/", "/settings/integrations/", "/settings/styleguide/", "/receipts/"]
)
def test_every_settings_tab_opens(path: str) -> None:
    answer = Browser().get(path)
    assert answer.status_code == 200
    assert text(answer).count("<h1") == 1


def test_preferences_are_cookies_and_lead_back_only_to_this_site() -> None:
    browser = Browser("viewer")
    answer = browser.press("/settings/preferences/", theme="dark", next="/bundles/?q=x")
    assert answer["Location"] == "/bundles/?q=x"
    assert answer.cookies["theme"].value == "dark"
    assert 'data-theme="dark"' in text(browser.get("/live"))
    assert browser.press("/settings/preferences/", theme="dark", next="https://evil.example/")["Location"] == "/live"
    assert "theme" not in browser.press("/settings/preferences/", theme="puce").cookies


def test_single_keys_are_turned_off_for_this_browser_and_every_place_has_its_own() -> None:
    browser = Browser("viewer")
    page = text(browser.get("/settings/keys/"))
    letters = [part.partition('"')[0] for part in page.split('data-go="')[1:]]
    assert len(letters) == len(set(letters)) >= 8
    for letter in letters:
        assert f"<kbd>g</kbd> <kbd>{letter}</kbd>" in page
    assert 'data-keys="off"' not in page
    assert browser.press("/settings/preferences/", keys="off", next="/settings/keys/")["Location"] == "/settings/keys/"
    assert 'data-keys="off"' in text(browser.get("/live"))


def test_every_component_has_a_page_with_both_themes() -> None:
    browser = Browser("viewer")
    index = text(browser.get("/settings/styleguide/"))
    assert len(COMPONENTS) >= 24
    for name in COMPONENTS:
        assert f'href="/settings/styleguide/{name}/"' in index
        page = text(browser.get(f"/settings/styleguide/{name}/"))
        assert page.count('data-theme="light"') == page.count('data-theme="dark"') == 1
    written = {path.stem for path in (settings.BASE_DIR / "templates" / "styleguide").glob("*.html")}
    assert written == set(COMPONENTS)
    assert browser.get("/settings/styleguide/marquee/").status_code == 404
