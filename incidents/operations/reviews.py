"""The quarterly review: started, decided in, and closed with its figures frozen. People only."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from incidents import review as reading
from incidents.access import canonical_ref
from incidents.models import Incident, Review, StandardChange
from incidents.operations.refusals import given, person
from incidents.quarters import Quarter


@transaction.atomic
def start(quarter: str, *, actor: Actor, at: datetime | None = None) -> Review:
    """Begin reading a quarter together. Begun already, it answers the review there is."""
    person(actor, "start a review")
    require(actor, Permission.COMMAND)
    at, wanted = at or clock.now(), Quarter.parse(quarter)
    if wanted.start > at:
        raise OperationRefused(f"{wanted} has not begun yet.", status=422)
    review, fresh = Review.objects.get_or_create(quarter=str(wanted), defaults={"started_at": at, **acted_by(actor)})
    if fresh:
        audit.record(actor, "start review", str(wanted), at=at)
    return review


@transaction.atomic
def decide(
    review: Review,
    *,
    actor: Actor,
    pattern: str,
    changed: bool,
    standard: str = "",
    text: str,
    incident_refs: list[str] | None = None,
    at: datetime | None = None,
) -> StandardChange:
    """Record which standard changed because of ``pattern``, or (``changed`` False) why none did (R179)."""
    person(actor, "decide in a review")
    require(actor, Permission.COMMAND)
    pattern = _line(given(pattern, "Name the pattern this is about."), "pattern")
    text = given(text, "Write what the standard says now." if changed else "Write why no standard changed.")
    standard = _line(standard.strip(), "standard") if changed else ""
    if changed and not standard:
        raise OperationRefused("Name the standard that changed.", status=422)
    at = at or clock.now()
    review = _open(review)
    decision = StandardChange.objects.create(
        review=review,
        pattern=pattern,
        changed=changed,
        standard=standard,
        text=text,
        incident_refs=_refs(incident_refs or []),
        at=at,
        **acted_by(actor),
    )
    audit.record(actor, "decide in review", review.quarter, reason=text[:1000], data={"pattern": pattern}, at=at)
    return decision


@transaction.atomic
def close(review: Review, *, actor: Actor, at: datetime | None = None) -> Review:
    """End the review: its figures are kept as they stand now. It needs one decision at least."""
    person(actor, "close a review")
    require(actor, Permission.COMMAND)
    at = at or clock.now()
    review = _open(review)
    if not review.decisions.exists():
        raise OperationRefused("Decide something first: which standard changed, or why none did.")
    found = reading.read(Quarter.parse(review.quarter), at=at)
    review.snapshot = reading.as_json(found)
    review.closed_at = at
    review.save(update_fields=["snapshot", "closed_at"])
    audit.record(actor, "close review", review.quarter, at=at)
    return review


def _open(review: Review) -> Review:
    """The review's row, locked; refused when it has been closed."""
    review = Review.objects.select_for_update(no_key=True).get(pk=review.pk)
    if review.closed_at is not None:
        raise OperationRefused(f"The review of {review.quarter} is closed; its decisions stand.")
    return review


def _refs(named: list[str]) -> list[str]:
    """References of incidents that are there, each once: a decision cannot be taken back, nor can what it names."""
    refs = {canonical_ref(ref) or ref for ref in named}
    unknown = sorted(refs - set(Incident.objects.filter(ref__in=refs).values_list("ref", flat=True)))
    if unknown:
        raise OperationRefused(f"There is no incident {unknown[0][:40]}.", status=422)
    return sorted(refs)


def _line(text: str, what: str) -> str:
    if len(text) > 200:
        raise OperationRefused(f"The {what} has at most 200 characters.", status=422)
    return " ".join(text.split())
