"""The JSON API of what a bundle is and whether it is what runs: edges only, each route calls one operation."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field, StrictInt

from accounts import clock
from accounts.json_api import PAGE, Cursor, Limit, Strict, Text, actor_of, page
from rollouts import access, beside, diff, shared
from rollouts.body import PARTS
from rollouts.environments import differences
from rollouts.models import BundleVersion, Drift
from rollouts.operations import drift, prompt_rules

router = Router(tags=["bundle identity"])

Answer = dict[str, Any]


class RulesIn(Strict):
    max_characters: StrictInt | None = Field(default=None, description="Of the prompt's text; null: no limit.")
    sections: list[Text] = Field(default=[], description="Headings or tags that have to be there.")
    forbidden: list[Text] = Field(default=[], description="Phrases that must not be there, whatever their case.")


class PartsIn(Strict):
    prompt: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    tools: list[Any] | None = None
    retrieval: dict[str, Any] | None = None
    harness: dict[str, Any] | None = None

    def parts(self) -> dict[str, Any]:
        """Those that were sent."""
        return {name: value for name, value in self if name in PartsIn.model_fields and value is not None}


class ReportIn(PartsIn):
    source: Annotated[Text, Field(max_length=200)] = Field(default="", description="Where these parts were read.")


@router.get("/bundles/{key}/prompt-rules", response=Answer, url_name="prompt_rules")
def get_prompt_rules(request: HttpRequest, key: str) -> Answer:
    """What every further prompt of this bundle has to keep to."""
    rules = prompt_rules.of(access.get_bundle(actor_of(request), key))
    return {"max_characters": rules.max_characters, "sections": rules.sections, "forbidden": rules.forbidden}


@router.post("/bundles/{key}/prompt-rules", response=Answer, url_name="set_prompt_rules")
def set_prompt_rules(request: HttpRequest, key: str, body: RulesIn) -> Answer:
    """Set them all anew. Pushes that break one are refused with 422; what was pushed before stays."""
    actor = actor_of(request)
    return prompt_rules.change(
        access.get_bundle(actor, key),
        actor=actor,
        max_characters=body.max_characters,
        sections=body.sections,
        forbidden=body.forbidden,
    ).as_json()


@router.get("/bundles/{key}/versions/{version}/dependents", response=Answer, url_name="prompt_dependents")
def prompt_dependents(request: HttpRequest, key: str, version: str) -> Answer:
    """Every bundle that has the prompt of this version, known by its digest, and where it is served."""
    return shared.dependents(access.get_version(actor_of(request), key, version)).as_json()


@router.get("/bundles/{key}/environments", response=Answer, url_name="compare_environments")
def compare_environments(request: HttpRequest, key: str) -> Answer:
    """The environments beside each other and beside what was pushed last, and whether one snapshot serves both
    staging and prod."""
    bundle = access.get_bundle(actor_of(request), key)
    running = beside.running(bundle)
    found = differences(running)
    return {
        "bundle": bundle.key,
        "snapshots": {name: version.snapshot for name, version in running.items()},
        "diverged": any(each.alarming for each in found),
        "differences": [{**each.as_json(), "sentence": each.sentence} for each in found],
    }


@router.post("/deployments/{key}/{environment}/compare", response=Answer, url_name="compare_parts")
def compare_parts(request: HttpRequest, key: str, environment: str, body: PartsIn) -> Answer:
    """Parts of a bundle beside those of the active version, and what moved from there to here. Nothing is kept.

    ``same`` is about what was sent; ``missing`` names the parts that the active version has beside them.
    """
    deployment = access.get_deployment(actor_of(request), key, environment)
    parts = body.parts()
    compared = drift.compare(deployment, parts)
    active: BundleVersion = deployment.active  # type: ignore[assignment]  # compare has refused when there is none
    same = all(each.same for each in compared)
    moved = diff.compare(
        {name: active.body[name] for name in parts if name in active.body}, parts, behaviour_unchanged=same
    )
    return {
        "deployment": str(deployment),
        "active": active.as_json(),
        "same": same,
        "parts": [each.as_json() for each in compared],
        "missing": [part for part in PARTS if part in active.part_digests and part not in parts],
        "diff": moved.as_json(),
    }


@router.post("/deployments/{key}/{environment}/report", response=Answer, url_name="report_parts")
def report_parts(request: HttpRequest, key: str, environment: str, body: ReportIn) -> Answer:
    """Tell which parts really run, as a dashboard or a config map shows them. What differs becomes drift; what no
    version ever had is marked unreviewed."""
    actor = actor_of(request)
    deployment = access.get_deployment(actor, key, environment)
    compared = drift.report(deployment, body.parts(), actor=actor, source=body.source)
    return {"same": all(each.same for each in compared), "parts": [each.as_json() for each in compared]}


@router.get("/drift", response=Answer, url_name="list_drift")
def list_drift(
    request: HttpRequest,
    bundle: Annotated[Text | None, Query(description="Only that of the bundle of this key.")] = None,
    environment: Annotated[Text | None, Query(description="Only that in this environment.")] = None,
    unreviewed: Annotated[bool | None, Query(description="Only edits outside of the pipeline, or only others.")] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Answer:
    """Every difference between what runs and what should, the one found last first."""
    rows = Drift.objects.select_related("deployment__bundle")
    if bundle is not None:
        rows = rows.filter(deployment__bundle=access.get_bundle(actor_of(request), bundle))
    if environment is not None:
        rows = rows.filter(deployment__environment_id=environment)
    if unreviewed is not None:
        rows = rows.filter(unreviewed=unreviewed)
    found, following = page(rows, cursor, limit)
    at = clock.now()
    return {"items": [_drift(row, row.last_seen_at > at - drift.LATELY) for row in found], "next": following}


def _drift(row: Drift, lately: bool) -> Answer:
    return {
        "deployment": str(row.deployment),
        "kind": row.kind,
        "about": row.about,
        "declared": row.declared,
        "seen": row.seen,
        "unreviewed": row.unreviewed,
        "sentence": row.sentence,
        "first_seen_at": row.first_seen_at,
        "last_seen_at": row.last_seen_at,
        "count": row.count,
        "lately": lately,
        "source": row.source,
        "trace": {"day": row.day, "trace_id": row.trace_id} if row.trace_id else None,
    }
