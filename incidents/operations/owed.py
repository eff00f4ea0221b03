"""What the record still lacks, and its settling."""

from __future__ import annotations

from datetime import datetime

from accounts.actors import Actor
from incidents.models import Incident


def settle(incident: Incident, kind: str, *, actor: Actor, answer: str, at: datetime, about: str | None = None) -> bool:
    """Mark every open debt of ``kind`` (``about`` something, when said) of a locked ``incident`` as given; if any."""
    debts = incident.owed.filter(kind=kind, given_at=None, **({} if about is None else {"about": about}))
    return bool(debts.update(given_at=at, given_by=actor.user, answer=answer))
