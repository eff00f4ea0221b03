"""The JSON API of the Resolve step: causes, and the cases they leave behind. Each route calls one operation."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from accounts.errors import NotFound, OperationRefused
from accounts.json_api import Strict, actor_of
from incidents import access, answers
from incidents.answers import Answer
from incidents.api import Short, Words
from incidents.models import Cause
from incidents.models.cause import surest_first
from incidents.operations import cases, causes
from rollouts.access import get_version
from rollouts.models import RegressionCase

router = Router(tags=["incidents"])


class CauseIn(Strict):
    origin: Short = Field(description="Where the failure came from, such as model_update; unknown is an answer.")
    confidence: Short = Field("known", description="known, likely or possible")
    note: Words = Field("", description="What speaks for it.")


class ChangeIn(Strict):
    confidence: Short = Field("", description="known, likely or possible")
    no_case_reason: Words = Field("", description="Why no case can be made for it.")
    proof_waiver_reason: Words = Field("", description="Why its cases need not be proven.")
    withdraw_reason: Words = Field("", description="What speaks against it; withdraws the cause.")


class LinkIn(Strict):
    case: int = Field(description="The id of a case of the same agent.")


class CheckIn(Strict):
    kind: Short = Field(description="assertion, json_schema or rubric")
    body: Any = Field(description="{path, operator, value}, a JSON Schema, or {text}")


class CaseIn(Strict):
    day: date | None = Field(None, description="With trace_id: make the case from this failing run.")
    trace_id: Short = ""
    title: Short = Field("", description="What has to go right. Without a run, needed with inputs and check.")
    key: Short = Field("", description="What runners call it; made from the title when not given.")
    inputs: Any = None
    expected: Any = None
    check: CheckIn | None = None
    repeats: int = Field(1, description="How often a run tries it: n of k of n.")
    bad_version: Short = Field("", description="The label or number of the version it fails on.")
    covers: list[int] | None = Field(None, description="Ids of the causes it covers; the one that needs it, if null.")


def shown(cause: Cause) -> Answer:
    """The cause as it stands after an operation."""
    return answers.cause(Cause.objects.prefetch_related("cases__eval_set", "cases__replaced_by").get(pk=cause.pk))


@router.get("/incidents/{ref}/causes", response=Answer, url_name="list_causes")
def list_causes(request: HttpRequest, ref: str) -> Answer:
    """Why it happened, surest first; causes that were withdrawn come last."""
    incident = access.get_incident(actor_of(request), ref)
    found = surest_first(incident.causes.prefetch_related("cases__eval_set", "cases__replaced_by"))
    found.sort(key=lambda cause: cause.withdrawn_at is not None)
    return {"items": [answers.cause(cause) for cause in found]}


@router.post("/incidents/{ref}/causes", response={201: Answer}, url_name="add_cause")
def add_cause(request: HttpRequest, ref: str, body: CauseIn) -> Status[Answer]:
    """Name a cause. People only."""
    actor = actor_of(request)
    made = causes.add(access.get_incident(actor, ref), actor=actor, **body.model_dump())
    return Status(201, shown(made))


@router.post("/incidents/{ref}/causes/{int:pk}", response=Answer, url_name="change_cause")
def change_cause(request: HttpRequest, ref: str, pk: int, body: ChangeIn) -> Answer:
    """Say one thing about a cause: how sure it is, why it has no case, why it needs no proof, or what speaks against
    it. People only."""
    actor = actor_of(request)
    cause = access.get_cause(actor, ref, pk)
    said = {name: text for name, text in body.model_dump().items() if text}
    if len(said) != 1:
        raise OperationRefused(
            "Say one of confidence, no_case_reason, proof_waiver_reason and withdraw_reason.", status=422
        )
    ((name, text),) = said.items()
    if name == "confidence":
        return shown(causes.change_confidence(cause, actor=actor, confidence=text))
    verbs = {
        "no_case_reason": causes.no_case,
        "proof_waiver_reason": causes.waive_proof,
        "withdraw_reason": causes.withdraw,
    }
    return shown(verbs[name](cause, actor=actor, reason=text))


@router.post("/incidents/{ref}/causes/{int:pk}/cases", response=Answer, url_name="link_case")
def link_case(request: HttpRequest, ref: str, pk: int, body: LinkIn) -> Answer:
    """Say that a case which exists already would have caught this cause."""
    actor = actor_of(request)
    cause = access.get_cause(actor, ref, pk)
    case = RegressionCase.objects.select_related("eval_set__bundle").filter(pk=body.case).first()
    if case is None:
        raise NotFound(f"There is no case {body.case}.")
    return shown(causes.link_case(cause, case, actor=actor))


@router.get("/incidents/{ref}/cases", response=Answer, url_name="list_incident_cases")
def list_incident_cases(request: HttpRequest, ref: str) -> Answer:
    """The cases made in this incident's room, without those that a better one replaced."""
    incident = access.get_incident(actor_of(request), ref)
    return {"items": [answers.case(case) for case in causes.cases_of(incident)]}


@router.post("/incidents/{ref}/cases", response={200: Answer, 201: Answer}, url_name="make_case")
def make_case(request: HttpRequest, ref: str, body: CaseIn) -> Status[Answer]:
    """Make a regression case: of `{day, trace_id}`, a run that went wrong, or of everything it consists of. The same
    run again answers 200 and the case it was."""
    actor = actor_of(request)
    incident = access.get_incident(actor, ref)
    if body.day is not None and body.trace_id:
        made, fresh = cases.from_run(incident, actor=actor, day=body.day, trace_id=body.trace_id)
        return Status(201 if fresh else 200, answers.case(made))
    if body.check is None:
        raise OperationRefused("Name a run by day and trace_id, or give title, inputs and check.", status=422)
    bundle = cases.deployment_of(incident).bundle
    made = cases.make(
        incident,
        actor=actor,
        key=body.key,
        title=body.title,
        inputs=body.inputs,
        expected=body.expected,
        check_kind=body.check.kind,
        check_body=body.check.body,
        repeats=body.repeats,
        bad_version=get_version(actor, bundle.key, body.bad_version) if body.bad_version else None,
        covers=[access.get_cause(actor, ref, pk) for pk in body.covers] if body.covers is not None else None,
    )
    return Status(201, answers.case(made))
