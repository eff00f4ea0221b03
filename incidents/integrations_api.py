"""The JSON API of integrations: which monitors may post. People only, like the pages it mirrors."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Body, Router, Status
from pydantic import Field

from accounts.json_api import NO_STORE, Cursor, Limit, Strict, Text, actor_of, page
from incidents import access
from incidents.answers import Answer
from incidents.models import Integration
from incidents.operations import integrations, trial

router = Router(tags=["integrations"])
BY_BODY = "pagerduty-events-v2"


class IntegrationIn(Strict):
    source: Text = Field(description="The format it sends, such as alertmanager or generic.")
    name: Annotated[Text, Field(max_length=100)]


class WordsIn(Strict):
    fields: dict[Text, list[Text]] = Field({}, description="What it means → the sender's names of it.")
    severities: dict[Text, Text] = Field({}, description="The sender's word → SEV1 to SEV4.")
    environments: dict[Text, Text] = Field({}, description="The sender's word → dev, staging or prod.")


class RotateIn(Strict):
    grace_hours: Annotated[int, Field(ge=0, le=168)] = Field(0, description="How long the old key is taken too.")


class TrialIn(Strict):
    body: dict[str, Any] | list[Any] = Field(description="What the monitor would post.")


def shown(row: Integration) -> Answer:
    """An integration without its secrets."""
    return {
        "id": row.pk,
        "source": row.source,
        "name": row.name,
        "key_begins": row.hint,
        "old_key_until": row.previous_until,
        "settings": row.settings,
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }


def with_key(response: HttpResponse, row: Integration, secret: str) -> Answer:
    """An integration and the key that nobody can show again; kept by nobody."""
    response["Cache-Control"] = NO_STORE
    by_body = row.source == BY_BODY  # its key travels as routing_key
    url = "/v2/enqueue" if by_body else f"/intake/{row.source}/{secret}"
    return shown(row) | {"key": secret, "url": settings.BASE_URL + url}


@router.get("/integrations", response=Answer, url_name="list_integrations")
def list_integrations(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> Answer:
    """Monitors that may post or once might, the latest first."""
    found, after = page(access.integrations_for(actor_of(request)), cursor, limit)
    return {"items": [shown(row) for row in found], "next": after}


@router.post("/integrations", response={201: Answer}, url_name="add_integration")
def add_integration(request: HttpRequest, response: HttpResponse, body: IntegrationIn) -> Status[Answer]:
    """Let a monitor post; its key is shown this once."""
    row, secret = integrations.create(body.source, body.name, actor=actor_of(request))
    return Status(201, with_key(response, row, secret))


@router.post("/integrations/{int:integration}/test", response=Answer, url_name="try_integration")
def try_integration(request: HttpRequest, integration: int, body: TrialIn) -> Answer:
    """A dry run: the answer a real request would have had, and what would have happened. Opens nothing."""
    actor = actor_of(request)
    tried = trial.run(access.get_integration(actor, integration), orjson.dumps(body.body), actor=actor)
    return {
        "receipt": tried.receipt,
        "status": tried.answer.status,
        "answer": orjson.loads(tried.said),
        "would": [
            {
                "status": come.status,
                "title": come.title,
                "severity": come.severity or None,
                "deployment": come.deployment or None,
                "incident": come.incident or None,
                "grouped_by": come.grouped_by,
                "header": dict(come.header),
                "wakes": list(come.wakes),
            }
            for come in tried.comes
        ],
    }


@router.post("/integrations/{int:integration}/settings", response=Answer, url_name="set_words")
def set_words(request: HttpRequest, integration: int, body: WordsIn) -> Answer:
    """Read what this monitor sends by exactly these words from now on."""
    actor = actor_of(request)
    row = access.get_integration(actor, integration)
    return shown(integrations.change(row, body.model_dump(), actor=actor))


@router.post("/integrations/{int:integration}/rotate", response=Answer, url_name="rotate_key")
def rotate_key(
    request: HttpRequest,
    response: HttpResponse,
    integration: int,
    body: Annotated[RotateIn | None, Body()] = None,
) -> Answer:
    """A new key, shown this once; the old one is taken for `grace_hours` more."""
    actor, grace = actor_of(request), timedelta(hours=body.grace_hours if body else 0)
    row = access.get_integration(actor, integration)
    secret = integrations.rotate(row, actor=actor, grace=grace)
    row.refresh_from_db()
    return with_key(response, row, secret)


@router.post("/integrations/{int:integration}/revoke", response=Answer, url_name="revoke_integration")
def revoke_integration(request: HttpRequest, integration: int) -> Answer:
    """Refuse every key of this monitor from now on."""
    actor = actor_of(request)
    return shown(integrations.revoke(access.get_integration(actor, integration), actor=actor))
