"""The JSON API of destinations: where notices go."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import Field

from accounts.errors import NotFound
from accounts.json_api import NO_STORE, Cursor, Limit, Strict, Text, actor_of, page
from accounts.models import Team
from incidents.answers import Answer, moment
from incidents.models import Destination
from incidents.operations import destinations as places

router = Router(tags=["destinations"])


class DestinationIn(Strict):
    kind: Annotated[Text, Field(max_length=20)] = Field(description="email, slack or webhook")
    name: Annotated[Text, Field(max_length=200)]
    address: Annotated[Text, Field(max_length=600)] = Field(
        description="An e-mail address, a channel or the address of a webhook."
    )
    events: Annotated[list[Text], Field(max_length=50)] = Field(
        default_factory=list, description="The kinds of entries it hears of; none: all that are told."
    )
    least_severity: Annotated[Text, Field(max_length=10)] = Field("SEV4", description="The mildest it hears of.")
    team: Annotated[Text, Field(max_length=100)] | None = Field(None, description="Only agents of the team so called.")


def answer(row: Destination) -> Answer:
    """A destination; its secret is told once, when it is made."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "name": row.name,
        "address": row.address,
        "events": row.events,
        "least_severity": row.least_severity,
        "team": row.team.slug if row.team is not None else None,
        "disabled_at": moment(row.disabled_at),
    }


def get_destination(pk: int) -> Destination:
    row = Destination.objects.select_related("team").filter(pk=pk).first() if pk < 2**63 else None
    if row is None:
        raise NotFound(f"There is no destination {pk}.")
    return row


@router.get("/destinations", response=Answer, url_name="list_destinations")
def list_destinations(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> Answer:
    """Where notices go, newest first. Admins only."""
    found, after = page(Destination.objects.select_related("team"), cursor, limit)
    return {"items": [answer(row) for row in found], "next": after}


@router.post("/destinations", response={201: Answer}, url_name="add_destination")
def add_destination(request: HttpRequest, response: HttpResponse, body: DestinationIn) -> Status[Answer]:
    """Add a destination; of a webhook the answer holds its signing `secret`, this once."""
    team = None
    if body.team is not None and (team := Team.objects.filter(slug=body.team).first()) is None:
        raise NotFound(f"There is no team called {body.team}.")
    said = body.model_dump(exclude={"team"})
    made, secret = places.create(actor=actor_of(request), team=team, **said)
    response["Cache-Control"] = NO_STORE
    return Status(201, answer(made) | ({"secret": secret} if secret else {}))


@router.post("/destinations/{int:destination}/test", response=Answer, url_name="test_destination")
def test_destination(request: HttpRequest, destination: int) -> Answer:
    """Really send a test there, now, and answer what was answered."""
    trial = places.test(get_destination(destination), actor=actor_of(request))
    return {"ok": trial.ok, "answer": trial.answer, "took_ms": round(trial.took_ms, 1)}


@router.post("/destinations/{int:destination}/disable", response=Answer, url_name="disable_destination")
def disable_destination(request: HttpRequest, destination: int) -> Answer:
    """Send nothing there any more."""
    return answer(places.disable(get_destination(destination), actor=actor_of(request)))
