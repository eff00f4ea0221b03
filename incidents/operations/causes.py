"""Why it happened. People say so, with how sure they are; each cause leaves a case, or a reason why it cannot."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.permissions import Permission, require
from incidents.models import Cause, Confidence, Incident, Origin, TimelineEntry
from incidents.operations import timeline
from incidents.operations.refusals import given, known, person, short, still_open_record
from rollouts.models import RegressionCase

PINGS = ("rail", "resolve", "exits", "board")


@transaction.atomic
def add(
    incident: Incident,
    *,
    actor: Actor,
    origin: str,
    confidence: str = Confidence.KNOWN,
    note: str = "",
    at: datetime | None = None,
) -> Cause:
    """Name a cause. The room's first takes over the cases made before it; any takes the place of "not known yet"."""
    person(actor, "say why it happened")
    require(actor, Permission.RESPOND, incident.deployment)
    known(origin, Origin.values, "origin")
    known(confidence, Confidence.values, "confidence")
    at = at or clock.now()
    incident = timeline.lock(incident)
    still_open_record(incident)
    standing = list(incident.causes.live())
    for each in standing:
        if each.origin == origin:
            raise OperationRefused(f"{each} is named already. Change how sure it is instead.")
    cause = Cause.objects.create(
        incident=incident,
        origin=origin,
        confidence=Confidence.POSSIBLE if origin == Origin.UNKNOWN else confidence,
        note=note.strip(),
        at=at,
        **acted_by(actor),
    )
    if not standing:
        cause.cases.set(cases_of(incident))
    _say(cause, f"Cause: {cause}{_because(cause.note)}", actor=actor, at=at)
    if origin != Origin.UNKNOWN:
        for each in standing:
            if each.origin == Origin.UNKNOWN:
                _take_back(each, "it is known now", actor=actor, at=at)
    return cause


@transaction.atomic
def change_confidence(cause: Cause, *, actor: Actor, confidence: str, at: datetime | None = None) -> Cause:
    """Say how sure we are of it now; the same again writes nothing."""
    person(actor, "say how sure a cause is")
    known(confidence, Confidence.values, "confidence")
    cause = _lock(cause, actor)
    if cause.origin == Origin.UNKNOWN:
        raise OperationRefused("Not knowing is not more or less sure. Name the cause.")
    if cause.confidence == confidence:
        return cause
    before = cause.get_confidence_display().lower()
    cause.confidence = confidence
    cause.save(update_fields=["confidence"])
    _say(cause, f"Cause: {cause}, was {before}", actor=actor, at=at)
    return cause


@transaction.atomic
def withdraw(cause: Cause, *, actor: Actor, reason: str, at: datetime | None = None) -> Cause:
    """It was not that; the row and the reason stay. A resolved incident keeps at least one cause."""
    person(actor, "withdraw a cause")
    reason = given(reason, "Say what speaks against it.")
    cause = _lock(cause, actor)
    incident = cause.incident
    if incident.resolved_at is not None and not incident.causes.live().exclude(pk=cause.pk).exists():
        raise OperationRefused(f"It is the only cause of {incident.ref}, which is resolved. Name another first.")
    _take_back(cause, reason, actor=actor, at=at or clock.now())
    return cause


@transaction.atomic
def link_case(cause: Cause, case: RegressionCase, *, actor: Actor, at: datetime | None = None) -> Cause:
    """``case`` would have caught this cause. What was said about having none is taken back by it."""
    cause = _lock(cause, actor)
    deployment = cause.incident.deployment
    if deployment is None or case.eval_set.bundle_id != deployment.bundle_id:
        raise OperationRefused(f"{case} is a case of another bundle than this incident's.", status=422)
    if cause.cases.filter(pk=case.pk).exists():
        return cause
    cause.cases.add(case)
    if cause.no_case_reason:
        cause.no_case_reason, cause.no_case_by = "", None
        cause.save(update_fields=["no_case_reason", "no_case_by"])
    _say(
        cause,
        f"Case {case} covers {_named(cause)}",
        kind=TimelineEntry.Kind.CASE,
        actor=actor,
        at=at,
        data={"case": case.pk},
    )
    return cause


@transaction.atomic
def no_case(cause: Cause, *, actor: Actor, reason: str, at: datetime | None = None) -> Cause:
    """Go on without a case for this cause, for a reason that stays under a person's name."""
    user = person(actor, "say why there is no case")
    reason = given(reason, "Say why no case can be made for it.")
    cause = _lock(cause, actor)
    if cause.cases.filter(replaced_by=None).exists():
        raise OperationRefused(f"{cause} has a case. Waive its proof if it cannot be proven.")
    cause.no_case_reason, cause.no_case_by = reason, user
    cause.save(update_fields=["no_case_reason", "no_case_by"])
    _say(cause, f"No case for {_named(cause)}{_because(reason)}", actor=actor, at=at)
    return cause


@transaction.atomic
def waive_proof(cause: Cause, *, actor: Actor, reason: str, at: datetime | None = None) -> Cause:
    """Go on although this cause's cases were not seen to fail on the bad version and pass on the fix."""
    user = person(actor, "waive a proof")
    reason = given(reason, "Say why the proof is waived.")
    cause = _lock(cause, actor)
    if not cause.cases.filter(replaced_by=None).exists():
        raise OperationRefused(f"{cause} has no case whose proof could be waived.")
    cause.proof_waived_reason, cause.proof_waived_by = reason, user
    cause.save(update_fields=["proof_waived_reason", "proof_waived_by"])
    _say(cause, f"Proof waived for {_named(cause)}{_because(reason)}", actor=actor, at=at)
    return cause


def cases_of(incident: Incident) -> list[RegressionCase]:
    """The cases made in this incident's room, without those that a better one replaced."""
    return list(RegressionCase.objects.filter(incident_ref=incident.ref, replaced_by=None).select_related("eval_set"))


def _lock(cause: Cause, actor: Actor) -> Cause:
    """The present row under its incident's lock; refused when it is withdrawn or the record closed."""
    require(actor, Permission.RESPOND)
    incident = timeline.lock(cause.incident)
    still_open_record(incident)
    cause = Cause.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=cause.pk)
    cause.incident = incident
    if cause.withdrawn_at is not None:
        raise OperationRefused(f"{cause} was withdrawn. Name it again to use it.")
    return cause


def _take_back(cause: Cause, reason: str, *, actor: Actor, at: datetime) -> None:
    cause.withdrawn_at = at
    cause.save(update_fields=["withdrawn_at"])
    _say(cause, f"Cause withdrawn: {_named(cause)}{_because(reason)}", actor=actor, at=at)


def _say(
    cause: Cause,
    text: str,
    *,
    actor: Actor,
    at: datetime | None,
    kind: str = TimelineEntry.Kind.CAUSE,
    data: dict[str, object] | None = None,
) -> None:
    said = {"cause": cause.pk, "origin": cause.origin, "confidence": cause.confidence, **(data or {})}
    timeline.append(cause.incident, kind, text, actor=actor, at=at, data=said, ping=PINGS)


def _named(cause: Cause) -> str:
    return cause.get_origin_display().lower()


def _because(reason: str) -> str:
    return f": {short(reason, 1000)}" if reason.strip() else ""
