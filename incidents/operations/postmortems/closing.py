"""Approve and close: the last step of an incident, with everything that still stands in its way."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents import lint
from incidents.models import Incident, Owed, Postmortem, TimelineEntry
from incidents.operations import exits, owed, timeline
from incidents.operations.postmortems import ready, written
from incidents.operations.postmortems.edit import PINGS
from incidents.operations.refusals import given, person

ROOM = ("rail", "exits", "board", *PINGS)
#: What cannot be taken back takes a reason that says something (UX, T3).
SHORTEST = 15


@transaction.atomic
def close(incident: Incident, *, actor: Actor, at: datetime | None = None) -> Incident:
    """Close the step with what is published and signed; refused with every reason that speaks against it.

    Its root cause settles the investigation that a rollback owes.
    """
    person(actor, "close the postmortem")
    require(actor, Permission.COMMAND, incident.deployment)
    at = at or clock.now()
    incident = timeline.lock(incident)
    _still_to_do(incident)
    page = Postmortem.objects.select_for_update(no_key=True, of=("self",)).filter(incident=incident).first()
    exits.refuse(ready.unmet(incident, page), f"The postmortem of {incident.ref} cannot close yet")
    if page is None:
        raise OperationRefused(f"{incident.ref} has no postmortem.")
    answer = page.texts().get("root_cause", "")
    owed.settle(incident, Owed.Kind.INVESTIGATION, actor=actor, answer=answer, at=at)
    incident.documented_at = at
    incident.save(update_fields=["documented_at"])
    timeline.append(incident, TimelineEntry.Kind.DOCUMENTED, "Postmortem closed", actor=actor, at=at, ping=ROOM)
    return incident


@transaction.atomic
def skip(incident: Incident, *, actor: Actor, reason: str, at: datetime | None = None) -> Incident:
    """Close without a postmortem, for a reason that stays visible; refused with all that only a page can settle."""
    person(actor, "close an incident without a postmortem")
    require(actor, Permission.COMMAND, incident.deployment)
    reason = given(reason, "Say why there is no postmortem.")
    if len(reason) < SHORTEST:
        raise OperationRefused(f"Say in at least {SHORTEST} characters why there is no postmortem.", status=422)
    at = at or clock.now()
    incident = timeline.lock(incident)
    _still_to_do(incident)
    page = Postmortem.objects.select_for_update(no_key=True, of=("self",)).filter(incident=incident).first()
    exits.refuse(_only_by_a_page(incident, page), f"{incident.ref} cannot close without a postmortem")
    incident.document_skipped_at, incident.document_skip_reason = at, reason
    incident.save(update_fields=["document_skipped_at", "document_skip_reason"])
    timeline.append(incident, TimelineEntry.Kind.SKIPPED, f"No postmortem: {reason}", actor=actor, at=at, ping=ROOM)
    return incident


def _only_by_a_page(incident: Incident, page: Postmortem | None) -> list[str]:
    """Why skipping is no way out: an investigation or something else is owed (R076), an action has no owner (R159)."""
    found = ready.unresolved(incident)
    if incident.owed.filter(kind=Owed.Kind.INVESTIGATION, given_at=None).exists():
        found.append("A rollback owes its investigation: answer its questions in the postmortem.")
    ownerless = lint.ownerless(written.written(page)) if page is not None else ()
    return [*found, *owed.orders(incident), *(each.sentence for each in ownerless)]


def _still_to_do(incident: Incident) -> None:
    if incident.documented_at is not None:
        raise OperationRefused(f"The postmortem of {incident.ref} is written already. Reopen it to change it.")
    if incident.document_skipped_at is not None:
        raise OperationRefused(f"{incident.ref} has no postmortem: {incident.document_skip_reason}. Reopen it first.")
