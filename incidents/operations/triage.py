"""Finding the layer, not the culprit: the 30-second question, the branch, the class."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import Branch, Diagnosis, Incident, RollbackAnswer, Step, TimelineEntry
from incidents.operations import exits, timeline
from incidents.operations.refusals import given, known, still_open_record

PINGS = ("rail", "triage", "contain", "exits", "board")


@transaction.atomic
def answer(
    incident: Incident,
    *,
    actor: Actor,
    rollback_answer: str = "",
    branch: str = "",
    diagnosis: str = "",
    at: datetime | None = None,
) -> Incident:
    """Record what triage found; what is left empty stays as it was, what is the same writes nothing."""
    require(actor, Permission.RESPOND)
    incident = timeline.lock(incident)
    still_open_record(incident)
    changed: dict[str, str] = {}
    said: list[str] = []
    for field, value, choices, sentence in (
        ("rollback_answer", rollback_answer, RollbackAnswer, "Rolling back would: {}"),
        ("branch", branch, Branch, "Branch: {}"),
        ("diagnosis", diagnosis, Diagnosis, "Diagnosis: {}"),
    ):
        if not value:
            continue
        known(value, choices.values, field.replace("_", " "))
        if getattr(incident, field) != value:
            changed[field] = value
            said.append(sentence.format(choices(value).label.lower()))
    if not changed:
        return incident
    for field, value in changed.items():
        setattr(incident, field, value)
    incident.save(update_fields=list(changed))
    timeline.append(
        incident, TimelineEntry.Kind.TRIAGE, ". ".join(said), actor=actor, at=at, data=dict(changed), ping=PINGS
    )
    return incident


@transaction.atomic
def close(incident: Incident, *, actor: Actor, at: datetime | None = None) -> Incident:
    """Triage is done: the question is answered and a branch chosen."""
    require(actor, Permission.RESPOND)
    at = at or clock.now()
    incident = timeline.lock(incident)
    _still_to_do(incident)
    exits.refuse_unmet(incident, Step.TRIAGE)
    incident.triaged_at = at
    incident.save(update_fields=["triaged_at"])
    said = f"rolling back would {incident.get_rollback_answer_display().lower()}"
    timeline.append(
        incident,
        TimelineEntry.Kind.TRIAGED,
        f"Triage done: {said}; {incident.get_branch_display().lower()}",
        actor=actor,
        at=at,
        ping=PINGS,
    )
    return incident


@transaction.atomic
def skip(incident: Incident, *, actor: Actor, reason: str, at: datetime | None = None) -> Incident:
    """Go on without triage, for a reason that stays visible."""
    require(actor, Permission.COMMAND)
    reason = given(reason, "Say why triage is skipped.")
    at = at or clock.now()
    incident = timeline.lock(incident)
    _still_to_do(incident)
    incident.triage_skipped_at, incident.triage_skip_reason = at, reason
    incident.save(update_fields=["triage_skipped_at", "triage_skip_reason"])
    timeline.append(incident, TimelineEntry.Kind.SKIPPED, f"Triage skipped: {reason}", actor=actor, at=at, ping=PINGS)
    return incident


@transaction.atomic
def work(
    incident: Incident,
    *,
    actor: Actor,
    rollback_answer: str = "",
    branch: str = "",
    diagnosis: str = "",
    close_step: bool = False,
    skip_reason: str = "",
    at: datetime | None = None,
) -> Incident:
    """Answer, then close or skip, as one: when the step cannot close, the answers are not kept either."""
    if close_step and skip_reason:
        raise OperationRefused("Either close triage or skip it.", status=422)
    incident = answer(incident, actor=actor, rollback_answer=rollback_answer, branch=branch, diagnosis=diagnosis, at=at)
    if close_step:
        return close(incident, actor=actor, at=at)
    return skip(incident, actor=actor, reason=skip_reason, at=at) if skip_reason else incident


def _still_to_do(incident: Incident) -> None:
    still_open_record(incident)
    if incident.triaged_at is not None:
        raise OperationRefused(f"Triage of {incident.ref} is done already.")
    if incident.triage_skipped_at is not None:
        raise OperationRefused(f"Triage of {incident.ref} was skipped: {incident.triage_skip_reason}")
