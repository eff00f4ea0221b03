"""Settings › Notifications, and its twin in the API."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import SiteRole, Team
from incidents.models import Destination, Notice
from incidents.operations import delivery
from tests import hooks
from tests.browsers import Browser, text
from tests.callers import Caller, signed_in
from tests.factories.accounts import token
from tests.factories.incidents import destination, incident, someone

pytestmark = pytest.mark.django_db
PAGE = "/settings/notifications/"


@pytest.fixture
def hook(settings: Any) -> Iterator[hooks.Hook]:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with hooks.listening() as listening:
        yield listening


@pytest.fixture
def admin() -> Browser:
    return Browser(SiteRole.ADMIN)


def test_an_empty_page_says_what_would_stand_here(admin: Browser) -> None:
    page = text(admin.get(PAGE))
    assert "Nobody is told yet" in page
    assert "Everything has left." in page
    assert 'aria-current="page">Notifications' in page


def test_a_secret_is_shown_on_the_answer_to_the_press_and_never_again(admin: Browser) -> None:
    answer = admin.press(
        PAGE + "add/", kind="webhook", name="Ours", address="https://hooks.example/x", least_severity="SEV2"
    )
    assert answer.status_code == 200
    assert "whsec_" in text(answer)
    assert "whsec_" not in text(admin.get(PAGE))
    made = Destination.objects.get()
    assert (made.name, made.least_severity, made.events) == ("Ours", "SEV2", [])
    again = text(admin.press(f"{PAGE}{made.pk}/rotate/"))
    assert "whsec_" in again


def test_what_is_refused_is_said_in_the_form_and_the_input_kept(admin: Browser) -> None:
    answer = admin.press(PAGE + "add/", kind="webhook", name="Ours", address="http://10.0.0.1/", least_severity="SEV4")
    page = text(answer)
    assert answer.status_code == 422
    assert "no public address" in page
    assert "<title>Error: Notifications" in page
    assert 'value="http://10.0.0.1/"' in page
    answer = admin.press(PAGE + "add/", kind="email", least_severity="SEV4")
    assert "Give the destination a name." in text(answer)
    assert not Destination.objects.exists()


def test_what_a_destination_hears_of_can_be_changed(admin: Browser) -> None:
    there, team = destination(), Team.objects.create(slug="pay", name="Payments")
    assert 'value="Our webhook"' in text(admin.get(f"{PAGE}{there.pk}/"))
    answer = admin.press(
        f"{PAGE}{there.pk}/", name="Theirs", events=["resolved", "opened"], least_severity="SEV1", team=team.pk
    )
    assert answer.status_code == 302
    there.refresh_from_db()
    assert (there.name, there.events, there.team) == ("Theirs", ["opened", "resolved"], team)
    page = text(admin.get(PAGE))
    assert "Opened, Resolved" in page
    assert "agents of Payments" in page
    assert admin.press(f"{PAGE}{there.pk}/", name="", least_severity="SEV1").status_code == 422


def test_a_test_shows_the_real_answer(admin: Browser, hook: hooks.Hook) -> None:
    there = destination(address=hook.url)
    assert "It answered 200: thanks" in text(admin.press(f"{PAGE}{there.pk}/test/"))
    hook.status, hook.body = 500, b"<script>alert(1)</script>"
    page = text(admin.press(f"{PAGE}{there.pk}/test/"))
    assert "did not reach" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_what_is_disabled_is_shown_as_such(admin: Browser) -> None:
    there = destination()
    assert admin.press(f"{PAGE}{there.pk}/disable/").status_code == 302
    page = text(admin.get(PAGE))
    assert "Disabled" in page
    assert f"{PAGE}{there.pk}/test/" not in page
    assert text(admin.press(f"{PAGE}{there.pk}/test/")).count("is disabled")


def test_what_did_not_leave_is_listed_and_sent_again_by_a_press(admin: Browser, hook: hooks.Hook) -> None:
    destination(address=hook.url, events=["opened"])
    room = incident()
    hook.status = 500
    delivery.send_due()
    Notice.objects.update(given_up_at="2026-11-20T00:00:00Z")
    page = text(Browser().get(PAGE))
    assert "Set aside" in page
    assert "It answered 500" in page
    assert f"/i/{room.ref}/" in page
    hook.status = 200
    row = Notice.objects.get()
    assert Browser().press(f"{PAGE}notice/{row.pk}/retry/").status_code == 302
    delivery.send_due()
    page = text(admin.get(PAGE))
    assert "Everything has left." in page
    assert page.count("It answered") == 2
    for gone in ("notice/999999", "page/1", "pigeon/1"):
        assert admin.press(f"{PAGE}{gone}/retry/").status_code == 404


def test_who_only_looks_changes_nothing_and_sees_no_address() -> None:
    there = destination()
    viewer = Browser("viewer")
    page = text(viewer.get(PAGE))
    assert "hooks.example" not in page
    assert "Add a destination" not in page
    for press in ("add/", f"{there.pk}/", f"{there.pk}/test/", f"{there.pk}/rotate/", f"{there.pk}/disable/"):
        assert Browser().press(PAGE + press).status_code == 403
    assert viewer.press(f"{PAGE}notice/1/retry/").status_code == 403


def test_the_page_costs_as_many_questions_however_much_there_is(admin: Browser) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(PAGE).status_code == 200
        return len(queries)

    destination("email", "a@example.com")
    incident()
    delivery.send_due()
    few = cost()
    for number in range(5):
        destination("email", f"b{number}@example.com")
        incident()
    delivery.send_due()
    assert cost() == few <= 15


# -- API -------------------------------------------------------------------------------------------------------------
API = "/api/v1/destinations"
HOOK = {"kind": "webhook", "name": "Ours", "address": "https://hooks.example/x"}


@pytest.fixture
def ada(db: None) -> Caller:
    return signed_in(someone("Ada", SiteRole.ADMIN))


def test_the_api_adds_lists_tests_and_disables(ada: Caller, hook: hooks.Hook) -> None:
    Team.objects.create(slug="pay", name="Payments")
    answer = ada.post(API, HOOK | {"address": hook.url, "events": ["resolved"], "team": "pay"})
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    made = answer.json()
    secret = made.pop("secret")
    assert made == {
        "id": made["id"],
        "kind": "webhook",
        "name": "Ours",
        "address": hook.url,
        "events": ["resolved"],
        "least_severity": "SEV4",
        "team": "pay",
        "disabled_at": None,
    }
    assert ada.get(API).json() == {"items": [made], "next": None}
    trial = ada.post(f"{API}/{made['id']}/test").json()
    assert (trial["ok"], trial["answer"]) == (True, "It answered 200: thanks")
    hooks.verified(secret, *hook.got[0])
    assert ada.post(f"{API}/{made['id']}/disable").json()["disabled_at"].endswith("Z")
    assert ada.post(f"{API}/{made['id']}/test").status_code == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (HOOK | {"address": "http://127.0.0.1/"}, 422),
        (HOOK | {"kind": "pigeon"}, 422),
        (HOOK | {"events": ["lunch"]}, 422),
        (HOOK | {"team": "nobody"}, 404),
        (HOOK | {"secret": "whsec_mine"}, 422),
        ({}, 422),
    ],
)
def test_the_api_refuses_what_the_page_refuses(ada: Caller, body: dict[str, Any], status: int) -> None:
    assert ada.post(API, body).status_code == status
    assert not Destination.objects.exists()


def test_the_api_is_for_admins_and_never_for_tokens(hook: hooks.Hook) -> None:
    there = destination(address=hook.url)
    for caller in (Caller(token()[1]), signed_in(someone("Rae"))):
        assert caller.get(API).status_code == 403
        assert caller.post(API, HOOK).status_code == 403
        assert caller.post(f"{API}/{there.pk}/test").status_code == 403
        assert caller.post(f"{API}/{there.pk}/disable").status_code == 403
    assert hook.got == []


def test_there_is_no_destination_by_a_number_nobody_has(ada: Caller) -> None:
    for number in (1, 10**30):
        assert ada.post(f"{API}/{number}/test").status_code == 404
