"""What could not be read is kept, and read again when somebody says so."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry
from accounts.operations import login
from incidents.models import Alert, Incident, Receipt
from incidents.operations import integrations, replay, timeline
from incidents.operations.receive import Request, quarantine
from incidents.reading import Reading
from tests.callers import Caller
from tests.factories.accounts import SHELL, machine, person, token
from tests.factories.incidents import someone
from tests.intakes import alert, integration

pytestmark = pytest.mark.django_db


def session_of(actor: Actor) -> str:
    """The secret of a command line's session that ``actor`` approved."""
    started = login.start()
    login.approve(started.user_code, actor=actor)
    granted = login.redeem(started.device_code)
    assert granted is not None
    return granted.session


def quarantined(body: bytes, error: str = "The parser failed.") -> Receipt:
    """A receipt set aside because of ``error``, of a monitor whose settings may have been mended since."""
    made, _ = integration("alertmanager")
    answer = quarantine(Request(made.pk, body, "application/json", clock.now(), Reading(error=error)), error)
    assert answer.receipt is not None
    return Receipt.objects.get(pk=answer.receipt)


def readable() -> bytes:
    return json.dumps({"version": "4", "groupKey": "g", "receiver": "r", "alerts": [alert()]}).encode()


def test_a_replayed_receipt_opens_its_incident_and_says_who_replayed_it() -> None:
    actor = person()
    receipt = quarantined(readable())
    answer = replay.replay(receipt, actor=actor)
    receipt.refresh_from_db()
    assert (receipt.status, receipt.replayed_by) == ("replayed", actor.user)
    assert answer.alerts[0]["status"] == "opened"
    assert timeline.first_broken(Incident.objects.get()) is None
    assert answer.receipt == receipt.pk
    assert AuditEntry.objects.filter(verb="replay receipt", subject__startswith=f"receipt {receipt.pk} ").exists()


def test_no_token_replays() -> None:
    receipt = quarantined(readable())
    with pytest.raises(NotPermitted, match="Only a person"):
        replay.replay(receipt, actor=machine())
    assert not Incident.objects.exists()


def test_a_receipt_is_replayed_once() -> None:
    receipt = quarantined(readable())
    replay.replay(receipt, actor=person())
    with pytest.raises(OperationRefused, match="it was replayed already"):
        replay.replay(receipt, actor=person())
    assert Alert.objects.count() == 1


def test_what_is_still_unreadable_stays_quarantined_and_says_why() -> None:
    receipt = quarantined(b"{")
    with pytest.raises(OperationRefused, match="It still cannot be read"):
        replay.replay(receipt, actor=person())
    receipt.refresh_from_db()
    assert receipt.status == "quarantined"
    assert Receipt.objects.count() == 1


def test_a_revoked_monitor_is_not_replayed() -> None:
    receipt = quarantined(readable())
    integrations.revoke(receipt.integration, actor=SHELL)
    with pytest.raises(OperationRefused, match="revoked"):
        replay.replay(receipt, actor=person())
    assert not Incident.objects.exists()


def test_the_api_replays_for_people_and_refuses_with_sentences() -> None:
    mara, receipt = Caller(session_of(person())), quarantined(readable())
    at = f"/api/v1/receipts/{receipt.pk}/replay"
    assert Caller(token()[1]).post(at).status_code == 403
    answer = mara.post(at)
    assert answer.status_code == 200
    assert answer.json()["alerts"][0]["status"] == "opened"
    assert mara.post(at).status_code == 409
    assert mara.post("/api/v1/receipts/99999/replay").status_code == 404
    assert mara.post(f"/api/v1/receipts/{'9' * 30}/replay").status_code == 404


def test_a_responder_replays_in_the_browser_and_lands_in_the_room(client: Client) -> None:
    receipt, mara = quarantined(readable()), someone("Mara")
    client.force_login(mara)
    answer = client.post(f"/receipts/{receipt.pk}/replay/")
    assert answer["Location"] == f"/i/{Incident.objects.get().ref}/"
    again = client.post(f"/receipts/{receipt.pk}/replay/")
    assert again.status_code == 409
    assert "it was replayed already" in again.content.decode()
