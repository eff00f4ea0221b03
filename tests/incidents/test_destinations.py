"""Where notices go: who may say so, what is refused, and that a test is really sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.core import mail

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, SiteRole
from accounts.secrets import unseal
from incidents.models import Destination, Notice
from incidents.operations import delivery, destinations
from tests import hooks
from tests.factories.accounts import SHELL, person
from tests.factories.incidents import destination, incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def hook(settings: Any) -> Iterator[hooks.Hook]:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with hooks.listening() as listening:
        yield listening


def admin() -> Actor:
    return person(SiteRole.ADMIN)


def test_a_webhook_s_secret_is_shown_once_and_stored_sealed() -> None:
    made, secret = destinations.create(actor=admin(), kind="webhook", name="Ours", address="https://hooks.example/x")
    assert secret.startswith("whsec_")
    assert secret.encode() not in bytes(made.secret)
    assert unseal(Destination.objects.get().secret) == secret
    assert secret not in str(list(AuditEntry.objects.values()))
    assert "hooks.example" not in str(list(AuditEntry.objects.values())), "an address may be a secret in itself"


def test_mail_and_slack_have_no_secret() -> None:
    assert destinations.create(actor=admin(), kind="email", name="Ops", address=" ops@example.com ")[1] == ""
    assert destinations.create(actor=admin(), kind="slack", name="Chat", address="#incidents")[1] == ""
    assert destinations.create(actor=admin(), kind="slack", name="Chat", address="C024BE91L")[0].address == "C024BE91L"


@pytest.mark.parametrize(
    ("kind", "address", "why"),
    [
        ("pigeon", "x", "no kind of destination"),
        ("email", "nobody", "no e-mail address"),
        ("email", "a@example.com\nBcc: b@example.com", "no e-mail address"),
        ("email", "", "Enter the address"),
        ("slack", "incidents", "Enter a channel"),
        ("slack", "#a <!channel>", "Enter a channel"),
        ("webhook", "hooks.example", "begins with https"),
        ("webhook", "https://me:pw@hooks.example/", "name and password"),
        ("webhook", "http://169.254.169.254/latest/", "no public address"),
        ("webhook", "http://[::1]:8000/", "no public address"),
        ("webhook", "https://hooks.example:25/", "Port 25"),
        ("webhook", "https://hooks.example/" + "x" * 500, "longer than 500"),
    ],
)
def test_an_address_of_the_wrong_shape_is_refused(kind: str, address: str, why: str) -> None:
    with pytest.raises(OperationRefused, match=why) as refusal:
        destinations.create(actor=admin(), kind=kind, name="x", address=address)
    assert refusal.value.status == 422
    assert not Destination.objects.exists()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"name": " "}, "a name"),
        ({"name": "x" * 101}, "100 characters"),
        ({"events": ["resolved", "lunch"]}, "no event 'lunch'"),
        ({"events": ["note"]}, "no event 'note'"),
        ({"least_severity": "SEV9"}, "no severity"),
    ],
)
def test_what_it_should_hear_of_must_exist(changed: dict[str, Any], why: str) -> None:
    wanted = {"name": "x", "events": [], "least_severity": "SEV4"} | changed
    with pytest.raises(OperationRefused, match=why):
        destinations.create(actor=admin(), kind="email", address="ops@example.com", **wanted)
    there = destination("email", "ops@example.com")
    with pytest.raises(OperationRefused, match=why):
        destinations.change(there, actor=admin(), team=None, **wanted)


def test_one_address_is_one_destination_until_it_is_disabled() -> None:
    first = destination()
    with pytest.raises(OperationRefused, match="is a destination with this address"):
        destination()
    destinations.disable(first, actor=admin())
    assert destination().pk != first.pk


VERBS: dict[str, Callable[[Destination, Actor], object]] = {
    "create": lambda there, by: destinations.create(actor=by, kind="email", name="x", address="x@example.com"),
    "change": lambda there, by: destinations.change(
        there, actor=by, name="x", events=[], least_severity="SEV1", team=None
    ),
    "rotate": lambda there, by: destinations.rotate(there, actor=by),
    "disable": lambda there, by: destinations.disable(there, actor=by),
    "test": lambda there, by: destinations.test(there, actor=by),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", [SiteRole.RESPONDER, SiteRole.COMMANDER, SiteRole.APPROVER, SiteRole.VIEWER])
def test_admins_only(verb: str, role: str) -> None:
    there = destination()
    with pytest.raises(NotPermitted):
        VERBS[verb](there, person(role))


def test_a_destination_is_added_by_a_person() -> None:
    with pytest.raises(NotPermitted, match="Only a person"):
        destinations.create(actor=SHELL, kind="email", name="x", address="x@example.com")


def test_what_is_disabled_neither_changes_nor_sends() -> None:
    there = destination("email", "ops@example.com")
    incident()
    destinations.disable(there, actor=admin())
    waiting = Notice.objects.get()
    assert waiting.given_up_at is not None
    assert "disabled" in waiting.error
    for verb in (destinations.rotate, destinations.disable, destinations.test):
        with pytest.raises(OperationRefused, match="is disabled"):
            verb(there if verb is not destinations.test else Destination.objects.get(), actor=admin())


def test_what_was_claimed_when_it_was_disabled_is_not_sent() -> None:
    there = destination("email", "ops@example.com")
    incident()
    Destination.objects.filter(pk=there.pk).update(disabled_at="2026-11-20T00:00:00Z")
    delivery.send_due()
    assert mail.outbox == []
    assert "disabled" in Notice.objects.get().error


def test_after_a_rotation_messages_carry_the_new_signature(hook: hooks.Hook) -> None:
    made, first = destinations.create(actor=admin(), kind="webhook", name="Ours", address=hook.url)
    second = destinations.rotate(made, actor=admin())
    assert first != second
    incident()
    delivery.send_due()
    ((headers, body),) = hook.got
    assert hooks.verified(second, headers, body)["kind"] == "opened"
    with pytest.raises(AssertionError):
        hooks.verified(first, headers, body)
    with pytest.raises(OperationRefused, match="Only webhooks"):
        destinations.rotate(destination("email", "ops@example.com"), actor=admin())


def test_a_test_is_really_sent_and_its_real_answer_shown(hook: hooks.Hook) -> None:
    made, secret = destinations.create(actor=admin(), kind="webhook", name="Ours", address=hook.url)
    trial = destinations.test(made, actor=admin())
    assert (trial.ok, trial.answer) == (True, "It answered 200: thanks")
    said = hooks.verified(secret, *hook.got[0])
    assert (said["kind"], said["incident"]) == ("test", None)
    assert "This is a test" in said["text"]
    hook.status, hook.body = 500, b"broken"
    trial = destinations.test(made, actor=admin())
    assert (trial.ok, trial.answer) == (False, "It answered 500: broken")
    assert hook.got[0][0]["webhook-id"] != hook.got[1][0]["webhook-id"]
    assert AuditEntry.objects.filter(verb="test destination").count() == 2


def test_a_test_by_mail_says_that_it_is_one() -> None:
    assert destinations.test(destination("email", "ops@example.com"), actor=admin()).ok
    (sent,) = mail.outbox
    assert "Nothing has happened" in sent.body


def test_after_another_secret_key_a_webhook_says_what_to_do(hook: hooks.Hook, settings: Any) -> None:
    made, _ = destinations.create(actor=admin(), kind="webhook", name="Ours", address=hook.url)
    settings.SECRET_KEY = "another"
    trial = destinations.test(made, actor=admin())
    assert not trial.ok
    assert "another SECRET_KEY" in trial.answer
    assert hook.got == []
