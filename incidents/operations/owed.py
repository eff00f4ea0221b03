"""What the record still lacks, and its settling."""

from __future__ import annotations

from datetime import datetime

from accounts.actors import Actor
from incidents.models import Incident, Owed


def settle(incident: Incident, kind: str, *, actor: Actor, answer: str, at: datetime, about: str | None = None) -> bool:
    """Mark every open debt of ``kind`` (``about`` something, when said) of a locked ``incident`` as given; if any."""
    debts = incident.owed.filter(kind=kind, given_at=None, **({} if about is None else {"about": about}))
    return bool(debts.update(given_at=at, given_by=actor.user, answer=answer))


def owe_investigation(incident: Incident, source: str, *, at: datetime) -> None:
    """Have a locked ``incident`` owe the investigation of the rollback ``source``, such as ``rollback:12`` (R076).

    One is owed at a time, whatever was rolled back meanwhile; a drill practises and owes none.
    """
    if incident.kind == Incident.Kind.DRILL:
        return
    debts = incident.owed.filter(kind=Owed.Kind.INVESTIGATION)
    if debts.filter(given_at=None).exists() or debts.filter(about=source).exists():
        return
    text = "Investigate the rollback: answer its questions in the postmortem"
    incident.owed.create(kind=Owed.Kind.INVESTIGATION, about=source, text=text, since=at)


def orders(incident: Incident) -> list[str]:
    """What is owed, as orders, but for an investigation: closing the postmortem is what settles that."""
    debts = incident.owed.filter(given_at=None).exclude(kind=Owed.Kind.INVESTIGATION)
    return [f"{text.rstrip('.')}." for text in debts.values_list("text", flat=True)]
