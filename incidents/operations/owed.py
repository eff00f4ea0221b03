"""What the record still lacks, and its settling."""

from __future__ import annotations

from datetime import datetime

from accounts.actors import Actor
from incidents.models import Incident


def settle(incident: Incident, kind: str, *, actor: Actor, answer: str, at: datetime) -> bool:
    """Mark every open debt of ``kind`` of a locked ``incident`` as given; whether there was one."""
    debts = incident.owed.filter(kind=kind, given_at=None)
    return bool(debts.update(given_at=at, given_by=actor.user, answer=answer))
