"""Reading again what a monitor sent and we could not read, once our reading or its settings have been mended."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.operations import audit
from incidents import reading
from incidents.models import Receipt
from incidents.operations.receive import Answer, Request, receive


@transaction.atomic
def replay(receipt: Receipt, *, actor: Actor, at: datetime | None = None) -> Answer:
    """Process a quarantined receipt's bytes as if they came now; the new receipt's answer.

    What is still unreadable is refused with the reason, and the receipt stays quarantined.
    """
    at = at or clock.now()
    receipt = Receipt.objects.select_for_update(of=("self",)).select_related("integration").get(pk=receipt.pk)
    if receipt.status != Receipt.Status.QUARANTINED:
        raise OperationRefused(f"Receipt {receipt.pk} is {receipt.get_status_display().lower()}, not quarantined.")
    integration, body = receipt.integration, bytes(receipt.body)
    read = reading.read(integration.source, body, integration.settings)
    if read.error:
        raise OperationRefused(f"Receipt {receipt.pk} cannot be read yet: {read.error}")
    (answer,) = receive([Request(integration.pk, body, receipt.content_type, at, read)])
    if answer.status != 200:
        raise OperationRefused(f"Receipt {receipt.pk} cannot be replayed: {answer.error}")
    receipt.status, receipt.replayed_at, receipt.replayed_by = Receipt.Status.REPLAYED, at, actor.user
    receipt.save(update_fields=["status", "replayed_at", "replayed_by"])
    audit.record(actor, "replay receipt", f"receipt {receipt.pk}", data={"receipt": answer.receipt}, at=at)
    return answer
