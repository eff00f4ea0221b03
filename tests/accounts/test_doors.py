"""The middleware: bearer, session, idempotency, and the pages that sign people in."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.operations import keys, login
from tests.factories.accounts import UserFactory, person

pytestmark = pytest.mark.django_db


def test_looking_at_a_sign_in_link_uses_nothing_up(client: Client) -> None:
    user = UserFactory()
    url = f"/sign-in/{keys.make_sign_in_link(user)}/"
    assert client.get(url).status_code == 200
    assert client.head(url).status_code == 405
    assert "_auth_user_id" not in client.session
    assert client.post(url).status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)
    assert Client().post(url).status_code == 410


def test_a_stranger_is_asked_to_sign_in_and_an_api_caller_told_why(client: Client) -> None:
    page = client.get("/login/approve/ABCD-EFGH/")
    assert page.status_code == 302
    assert page["Location"].startswith("/accounts/login/")
    answer = client.post("/api/v1/login/poll", {"device_code": "x"}, content_type="application/json")
    assert answer.status_code == 410


def test_a_person_approves_a_command_line_in_the_browser(client: Client) -> None:
    started = client.post("/api/v1/login", content_type="application/json").json()
    poll = {"device_code": started["device_code"]}
    assert client.post("/api/v1/login/poll", poll, content_type="application/json").status_code == 202
    user = UserFactory()
    client.force_login(user)
    url = started["approve_url"].removeprefix("http://127.0.0.1:8000")
    assert started["user_code"] in client.get(url).content.decode()
    assert "Approved" in client.post(url).content.decode()
    granted = Client().post("/api/v1/login/poll", poll, content_type="application/json").json()
    assert granted["user"]["email"] == user.email
    actor = keys.actor_of_bearer(granted["session"])
    assert actor is not None
    assert actor.person == user


def test_an_approved_code_cannot_be_approved_again(client: Client) -> None:
    started = login.start()
    login.approve(started.user_code, actor=person())
    client.force_login(UserFactory())
    answer = client.post(f"/login/approve/{started.user_code}/")
    assert answer.status_code == 410
    assert "has been used or has expired" in answer.content.decode()


def test_the_theme_is_kept_in_a_cookie_and_on_the_person(client: Client) -> None:
    user = UserFactory()
    client.force_login(user)
    answer = client.post("/settings/preferences/", {"theme": "dark", "next": "/bundles/"})
    assert answer["Location"] == "/bundles/"
    assert answer.cookies["theme"].value == "dark"
    user.refresh_from_db()
    assert user.theme == "dark"
    elsewhere = client.post("/settings/preferences/", {"theme": "neon", "next": "https://elsewhere.example/"})
    assert elsewhere["Location"] == "/live"
    user.refresh_from_db()
    assert user.theme == "dark"


def test_an_address_that_is_nobodys_answers_programs_in_json_and_people_with_a_page(client: Client) -> None:
    answer = client.get("/api/v1/nothing/here")
    assert answer.status_code == 404
    assert answer.json() == {"error": "There is nothing at /api/v1/nothing/here. See /api/openapi.json."}
    page = client.get("/nothing/here")
    assert page.status_code == 404
    assert page["Content-Type"].startswith("text/html")
