"""Writing and checking the site's audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts import chain, clock
from accounts.actors import Actor
from accounts.models import AuditEntry, acted_by

#: Serialises writers of the chain until their transaction ends; any constant number of our own does.
CHAIN_LOCK = 0x1A57_0001


def record(
    actor: Actor,
    verb: str,
    subject: str,
    *,
    reason: str = "",
    data: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> AuditEntry:
    """Append one act to the chain, in the caller's transaction. Call it last: it holds the chain until commit."""
    at = at or clock.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
        last = AuditEntry.objects.order_by("-sequence").only("sequence", "digest").first()
        entry = AuditEntry(
            sequence=last.sequence + 1 if last else 1,
            at=at,
            verb=verb,
            subject=subject[:300],
            reason=reason,
            data=data or {},
            previous_digest=last.digest if last else chain.GENESIS,
            **acted_by(actor),
        )
        entry.digest = digest(entry)
        entry.save(force_insert=True)
    return entry


def digest(entry: AuditEntry) -> str:
    """What ``entry.digest`` must be."""
    return chain.link(
        entry.previous_digest,
        {
            "sequence": entry.sequence,
            "at": entry.at,
            "actor": [entry.actor_kind, entry.actor_label, entry.user_id, entry.surface],
            "verb": entry.verb,
            "subject": entry.subject,
            "reason": entry.reason,
            "data": entry.data,
        },
    )


def first_broken() -> int | None:
    """The sequence number of the first row that does not fit the chain; None when it is whole."""
    previous, expected = chain.GENESIS, 1
    for entry in AuditEntry.objects.order_by("sequence").iterator():
        if entry.sequence != expected or entry.previous_digest != previous or entry.digest != digest(entry):
            return expected
        previous, expected = entry.digest, expected + 1
    return None
