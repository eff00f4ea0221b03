"""Keys of monitors, and what was quarantined read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, SiteRole
from accounts.secrets import digest_of
from incidents import reading
from incidents.intake.lane import look_up
from incidents.models import Alert, Incident, Integration, Receipt
from incidents.operations import integrations
from incidents.operations.replay import replay
from tests.clock import MovableClock
from tests.factories.accounts import SHELL, machine, person
from tests.intakes import alert, integration, notification, send

pytestmark = pytest.mark.django_db


def test_an_integration_is_known_by_the_digest_of_its_key_alone() -> None:
    made, key = integrations.create("generic", " Home-made monitor ", actor=person(SiteRole.ADMIN))
    stored = Integration.objects.get()
    assert (stored.source, stored.name, stored.digest) == ("generic", "Home-made monitor", digest_of(key))
    assert key.startswith(made.hint)
    assert key not in str(Integration.objects.values())
    assert AuditEntry.objects.get().verb == "create integration"


@pytest.mark.parametrize(("source", "name"), [("nagios", "x"), ("generic", " "), ("generic", "x" * 101)])
def test_an_integration_needs_a_known_source_and_a_name(source: str, name: str) -> None:
    with pytest.raises(OperationRefused) as refusal:
        integrations.create(source, name, actor=person(SiteRole.ADMIN))
    assert refusal.value.status == 422


def test_a_rotated_key_replaces_the_old_one() -> None:
    made, old = integration()
    new = integrations.rotate(made, actor=person(SiteRole.ADMIN))
    assert Integration.objects.get().digest == digest_of(new) != digest_of(old)


def test_the_old_key_is_taken_until_its_grace_is_over_or_somebody_ends_it(clock: MovableClock) -> None:
    made, old = integration()
    admin = person(SiteRole.ADMIN)
    new = integrations.rotate(made, actor=admin, grace=timedelta(hours=1))
    both = [digest_of(old), digest_of(new)]
    assert [key is not None for key in look_up(both)] == [True, True]
    clock.advance(minutes=61)
    assert [key is not None for key in look_up(both)] == [False, True]
    newer = integrations.rotate(made, actor=admin, grace=timedelta(days=7))
    assert look_up([digest_of(old)]) == [None]
    integrations.end_previous(made, actor=admin)
    assert [key is not None for key in look_up([digest_of(new), digest_of(newer)])] == [False, True]
    with pytest.raises(OperationRefused, match="one key only"):
        integrations.end_previous(made, actor=admin)
    with pytest.raises(OperationRefused, match="at most seven days"):
        integrations.rotate(made, actor=admin, grace=timedelta(days=8))


def test_what_is_revoked_stays_revoked() -> None:
    made, _ = integration()
    admin = person(SiteRole.ADMIN)
    assert integrations.revoke(made, actor=admin).revoked_at is not None
    for again in (integrations.revoke, integrations.rotate):
        with pytest.raises(OperationRefused, match="is revoked"):
            again(made, actor=admin)


def quarantined(made: Integration, body: bytes) -> Receipt:
    (answer,) = send(made, body)
    assert answer.status == 202
    return Receipt.objects.get(pk=answer.receipt or 0)


def test_a_person_replays_a_receipt_that_can_be_read_now(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = integration()
    body = b'{"alerts": [{"fingerprint": "f", "labels": {"severity": "page"}}]}'
    with monkeypatch.context() as older:
        older.delitem(reading.PARSERS, "alertmanager")
        receipt = quarantined(made, body)
    actor = person()
    answer = replay(receipt, actor=actor)
    receipt.refresh_from_db()
    assert answer.alerts[0]["status"] == "opened"
    assert (receipt.status, receipt.error, receipt.replayed_by) == (Receipt.Status.REPLAYED, "", actor.user)
    assert receipt.replayed_at == Incident.objects.get().opened_at
    assert [link.receipt for link in Alert.objects.get().receipt_links.all()] == [receipt]
    assert Receipt.objects.count() == 1
    with pytest.raises(OperationRefused, match="not quarantined"):
        replay(receipt, actor=actor)


def test_a_receipt_that_still_cannot_be_read_stays_quarantined() -> None:
    receipt = quarantined(integration()[0], b"{")
    with pytest.raises(OperationRefused, match="still cannot be read") as refusal:
        replay(receipt, actor=person())
    assert refusal.value.status == 422
    receipt.refresh_from_db()
    assert receipt.status == Receipt.Status.QUARANTINED


def test_only_a_person_replays() -> None:
    with pytest.raises(NotPermitted):
        replay(quarantined(integration()[0], b"{"), actor=machine())


def test_what_was_processed_is_not_replayed() -> None:
    made, _ = integration()
    (answer,) = send(made, notification(alert()))
    with pytest.raises(OperationRefused, match="not quarantined"):
        replay(Receipt.objects.get(pk=answer.receipt or 0), actor=person())


@pytest.mark.parametrize("actor", [person, machine], ids=["responder", "token"])
def test_only_admins_say_which_monitors_may_post(actor: Callable[[], Actor]) -> None:
    made, _ = integrations.create("generic", "monitor", actor=SHELL)
    acts: list[Callable[[Actor], object]] = [
        lambda who: integrations.create("generic", "another", actor=who),
        lambda who: integrations.rotate(made, actor=who),
        lambda who: integrations.revoke(made, actor=who),
    ]
    for act in acts:
        with pytest.raises(NotPermitted):
            act(actor())
        act(SHELL)
