"""A request sent again is answered again, not done again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from accounts import clock
from accounts.models import IdempotencyKey
from accounts.operations import forgetting
from incidents.models import Incident
from rollouts.models import BundleVersion
from tests.factories.accounts import UserFactory, token

pytestmark = pytest.mark.django_db
URL = "/api/v1/deployments/support/prod/rollback"


def headers(secret: str, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "Idempotency-Key": key}


def test_the_same_request_with_the_same_key_gets_the_stored_answer(client: Client) -> None:
    _, secret = token()
    first = client.post(URL, content_type="application/json", headers=headers(secret, "a"))
    again = client.post(URL, content_type="application/json", headers=headers(secret, "a"))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first


def test_a_key_used_for_another_request_is_refused(client: Client) -> None:
    _, secret = token()
    client.post(URL, content_type="application/json", headers=headers(secret, "a"))
    other = client.post(URL, {"to": 1}, content_type="application/json", headers=headers(secret, "a"))
    assert other.status_code == 422
    assert other.json()["error"] == "This idempotency key was used for another request."


def test_keys_of_two_callers_do_not_meet(client: Client) -> None:
    for _ in range(2):
        _, secret = token()
        assert "Idempotency-Replayed" not in client.post(
            URL, content_type="application/json", headers=headers(secret, "a")
        )


def test_a_request_still_being_answered_is_not_done_twice_unless_its_process_died(client: Client) -> None:
    _, secret = token()
    client.post(URL, content_type="application/json", headers=headers(secret, "a"))
    IdempotencyKey.objects.update(answered_at=None, created_at=clock.now())
    assert client.post(URL, content_type="application/json", headers=headers(secret, "a")).status_code == 409
    IdempotencyKey.objects.update(created_at=clock.now() - timedelta(minutes=2))
    taken_over = client.post(URL, content_type="application/json", headers=headers(secret, "a"))
    assert taken_over.status_code == 404
    assert "Idempotency-Replayed" not in taken_over


def test_reading_needs_no_key(client: Client) -> None:
    _, secret = token()
    client.get("/api/v1/bundles", headers=headers(secret, "a"))
    assert not IdempotencyKey.objects.exists()
    assert not BundleVersion.objects.exists()


def test_answers_are_kept_for_a_day(client: Client) -> None:
    old, new = (IdempotencyKey.objects.create(caller="user:1", key=key, request_digest="d") for key in "ab")
    IdempotencyKey.objects.filter(pk=old.pk).update(created_at=clock.now() - timedelta(hours=25))
    client.force_login(UserFactory())
    assert forgetting.forget() == 1
    assert IdempotencyKey.objects.get() == new
    assert client.get("/settings/people/").status_code == 200, "a session that lives is kept"
    assert forgetting.forget(clock.now() + timedelta(days=2)) == 2
    assert client.get("/settings/people/").status_code == 302


def test_a_form_pressed_twice_declares_once_and_leads_to_the_same_room(client: Client) -> None:
    client.force_login(UserFactory())
    form = {"title": "It pays twice", "severity": "SEV3", "idempotency_key": "once"}
    first, again = (client.post("/incidents/declare/", form) for _ in range(2))
    assert (first.status_code, again.status_code) == (302, 302)
    assert first["Location"] == again["Location"]
    assert Incident.objects.count() == 1
    other = client.post("/incidents/declare/", form | {"title": "It pays thrice"})
    assert other.status_code == 422
    assert b"was used for another request" in other.content
    assert b"<h1" in other.content
