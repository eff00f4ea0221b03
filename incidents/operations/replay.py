"""Reading a quarantined receipt again, once a person has seen to it that it can be read."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from incidents import reading
from incidents.models import Receipt
from incidents.operations.receive import Answer, Request, process


@transaction.atomic
def replay(receipt: Receipt, *, actor: Actor, at: datetime | None = None) -> Answer:
    """Process the stored bytes as if they arrived now; what comes of it links to this receipt. People only."""
    require(actor, Permission.RESPOND)
    if actor.person is None:
        raise NotPermitted("Only a person can replay what was quarantined. Sign in.")
    at = at or clock.now()
    receipt = (
        Receipt.objects.select_for_update(no_key=True, of=("self",)).select_related("integration").get(pk=receipt.pk)
    )
    if receipt.status != Receipt.Status.QUARANTINED:
        raise OperationRefused(f"Receipt {receipt.pk} is not quarantined: it was {receipt.status} already.")
    integration, body = receipt.integration, bytes(receipt.body)
    if integration.revoked_at is not None:
        raise OperationRefused(f"The key of {integration.name} was revoked, so its alerts are not taken.")
    read = reading.read(integration.source, body, integration.settings)
    if read.error:
        raise OperationRefused(f"It still cannot be read. {read.error}", status=422)
    request = Request(integration.pk, body, receipt.content_type, at, read, receipt.pk)
    receipt.status, receipt.error = Receipt.Status.REPLAYED, ""
    receipt.replayed_at, receipt.replayed_by = at, actor.person
    receipt.save(update_fields=["status", "error", "replayed_at", "replayed_by"])
    (answer,) = process([request], {integration.pk: integration})
    audit.record(actor, "replay receipt", f"receipt {receipt.pk} of {integration.name}", at=at)
    return answer
