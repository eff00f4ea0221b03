"""The JSON API of quarterly reviews."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from accounts import clock
from accounts.errors import NotFound
from accounts.json_api import Strict, Text, actor_of
from incidents import review as reading
from incidents.answers import Answer, moment
from incidents.models import Review, StandardChange
from incidents.operations import reviews
from incidents.quarters import Quarter

router = Router(tags=["reviews"])


class DecisionIn(Strict):
    pattern: Annotated[Text, Field(max_length=200, description="What repeated.")]
    changed: bool = Field(description="Whether a standard changed.")
    standard: Annotated[Text, Field(max_length=200)] = Field("", description="Which one, when it did.")
    text: Annotated[Text, Field(max_length=20_000, description="What it says now, or why none changed.")]
    incidents: Annotated[list[Text], Field(max_length=1000)] = Field(
        default_factory=list, description="References of the incidents it is about."
    )


def answer(quarter: Quarter) -> Answer:
    """The quarter as it stands; of a closed review also the figures that were kept."""
    found = reading.read(quarter, at=clock.now())
    row = found.review
    return reading.as_json(found) | {
        "review": None
        if row is None
        else {
            "started_at": moment(row.started_at),
            "closed_at": moment(row.closed_at),
            "kept": row.snapshot,
            "decisions": [decision(item) for item in row.decisions.all()],
        }
    }


def decision(row: StandardChange) -> Answer:
    return {
        "pattern": row.pattern,
        "changed": row.changed,
        "standard": row.standard,
        "text": row.text,
        "incidents": row.incident_refs,
        "by": row.actor_label,
        "at": moment(row.at),
    }


def review_of(quarter: str) -> Review:
    row = Review.objects.filter(quarter=str(Quarter.parse(quarter))).first()
    if row is None:
        raise NotFound(f"Nobody has started the review of {quarter}.")
    return row


@router.get("/reviews/{quarter}", response=Answer, url_name="get_review")
def get_review(request: HttpRequest, quarter: str) -> Answer:
    """A quarter such as `2026Q4`: counts, class × layer, recurrence, times per step, actions late, decisions."""
    return answer(Quarter.parse(quarter))


@router.post("/reviews/{quarter}/start", response=Answer, url_name="start_review")
def start_review(request: HttpRequest, quarter: str) -> Answer:
    """Begin the review. People only."""
    return answer(Quarter.parse(reviews.start(quarter, actor=actor_of(request)).quarter))


@router.post("/reviews/{quarter}/decisions", response={201: Answer}, url_name="decide_in_review")
def decide(request: HttpRequest, quarter: str, body: DecisionIn) -> Status[Answer]:
    """Record which standard changed because of a pattern, or why none did. People only."""
    row = reviews.decide(
        review_of(quarter),
        actor=actor_of(request),
        pattern=body.pattern,
        changed=body.changed,
        standard=body.standard,
        text=body.text,
        incident_refs=body.incidents,
    )
    return Status(201, decision(row))


@router.post("/reviews/{quarter}/close", response=Answer, url_name="close_review")
def close(request: HttpRequest, quarter: str) -> Answer:
    """End the review: its figures are kept as they stand. People only."""
    return answer(Quarter.parse(reviews.close(review_of(quarter), actor=actor_of(request)).quarter))
