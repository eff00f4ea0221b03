"""The JSON API of cases, eval sets and runs: edges only, each route calls one operation."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Status
from pydantic import Field, StrictInt

from accounts.json_api import Cursor, Limit, Strict, Text, actor_of, page
from rollouts import access, eval_answers
from rollouts.models import EvalRun, EvalSetVersion, RegressionCase
from rollouts.operations import cases, eval_again, eval_runs

router = Router(tags=["evals"])

Answer = dict[str, Any]
Name = Annotated[Text, Field(max_length=100)]


class CheckIn(Strict):
    kind: Name = Field(description="assertion, json_schema or rubric")
    body: Any = Field(
        description='{"path", "operator", "value"}; the JSON Schema the output has to satisfy; or {"text"} for a judge'
    )


class InvocationIn(Strict):
    day: date
    trace_id: Name
    span_id: Name = ""


class CaseIn(Strict):
    title: Annotated[Text, Field(max_length=1_000)]
    inputs: Any
    check: CheckIn
    expected: Any = None
    set: Name = cases.DEFAULT_SET
    key: Annotated[Text, Field(max_length=200)] = Field("", description="Made from the title when not given.")
    repeats: StrictInt = Field(1, description="How often a run tries it.")
    incident: Name = ""
    bad_version: Annotated[Text | StrictInt | None, Field(description="Number or label of the one that failed.")] = None
    invocation: InvocationIn | None = None
    replaces: Name | None = Field(None, description="The key of the case that this one is better than.")


class RemoveIn(Strict):
    reason: Annotated[Text, Field(max_length=1_000)]
    set: Name = cases.DEFAULT_SET


class RunIn(Strict):
    set: Name = cases.DEFAULT_SET
    only: list[Name] | None = Field(None, description="Keys of the cases to run; the whole set when not given.")
    incident: Name = ""


@router.get("/bundles/{key}/cases", response=Answer, url_name="list_cases")
def list_cases(
    request: HttpRequest,
    key: str,
    of: Annotated[str | None, Query(alias="set", description="Only those of the set of this name.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Answer:
    """The cases that the newest versions of a bundle's sets hold, newest first."""
    bundle = access.get_bundle(actor_of(request), key)
    standing = EvalSetVersion.objects.filter(eval_set__bundle=bundle).order_by("eval_set_id", "-number")
    held = list(standing.select_related("eval_set").distinct("eval_set_id"))
    ids = [pk for found in held if of is None or found.eval_set.name == of for pk in found.case_ids]
    rows = RegressionCase.objects.filter(pk__in=ids).select_related("eval_set", "bad_version", "replaces")
    found, following = page(rows.defer("bad_version__body"), cursor, limit)
    return {"items": [eval_answers.case(row) for row in found], "next": following}


@router.post("/bundles/{key}/cases", response={201: Answer}, url_name="add_case")
def add_case(request: HttpRequest, key: str, body: CaseIn) -> Status[Answer]:
    """Add a case; its set is made if need be and gets a new version. The same case again is the one it was."""
    actor = actor_of(request)
    bundle = access.get_bundle(actor, key)
    invocation = body.invocation
    case = cases.add_case(
        bundle,
        actor=actor,
        set_name=body.set,
        key=body.key,
        title=body.title,
        inputs=body.inputs,
        expected=body.expected,
        check_kind=body.check.kind,
        check_body=body.check.body,
        repeats=body.repeats,
        invocation=(invocation.day, invocation.trace_id, invocation.span_id) if invocation else None,
        incident_ref=body.incident,
        bad_version=access.get_version(actor, key, body.bad_version) if body.bad_version is not None else None,
        replaces=access.get_case(actor, key, body.set, body.replaces) if body.replaces else None,
    )
    return Status(201, eval_answers.case(case))


@router.post("/bundles/{key}/cases/{case}/remove", response=Answer, url_name="remove_case")
def remove_case(request: HttpRequest, key: str, case: str, body: RemoveIn) -> Answer:
    """Leave a case out of the next version of its set, with a reason. Its results stay."""
    actor = actor_of(request)
    found = access.get_case(actor, key, body.set, case)
    return eval_answers.set_version(cases.remove_case(found, actor=actor, reason=body.reason))


@router.get("/bundles/{key}/eval-sets", response=Answer, url_name="eval_sets")
def list_sets(request: HttpRequest, key: str) -> Answer:
    """The newest version of every set of a bundle."""
    bundle = access.get_bundle(actor_of(request), key)
    newest = EvalSetVersion.objects.filter(eval_set__bundle=bundle).select_related("eval_set")
    found = newest.order_by("eval_set__name", "-number").distinct("eval_set__name")
    return {"items": [eval_answers.set_version(row) for row in found], "next": None}


@router.get("/bundles/{key}/eval-sets/{name}/{number}", response=Answer, url_name="eval_set")
def get_set(request: HttpRequest, key: str, name: str, number: int) -> Answer:
    """One version of a set with the cases it holds; it never changes."""
    found = access.get_set_version(actor_of(request), key, name, number)
    rows = RegressionCase.objects.filter(pk__in=found.case_ids).select_related("eval_set", "bad_version", "replaces")
    return {
        **eval_answers.set_version(found),
        "cases": [eval_answers.case(row) for row in rows.defer("bad_version__body").order_by("key")],
    }


@router.get("/bundles/{key}/versions/{version}/eval-runs", response=Answer, url_name="list_eval_runs")
def list_runs(request: HttpRequest, key: str, version: str, cursor: Cursor = None, limit: Limit = 50) -> Answer:
    """The runs of a version, newest first."""
    found = access.get_version(actor_of(request), key, version)
    rows, following = page(access.eval_runs().filter(version=found), cursor, limit)
    return {"items": [eval_answers.run(row) for row in rows], "next": following}


@router.post("/bundles/{key}/versions/{version}/eval-runs", response={201: Answer}, url_name="request_eval_run")
def request_run(
    request: HttpRequest, key: str, version: str, body: Annotated[RunIn | None, Body()] = None
) -> Status[Answer]:
    """Have a worker run a set over a version. While the same run is under way it is the answer."""
    actor, asked = actor_of(request), body or RunIn(only=None)
    run = eval_runs.request_run(
        access.get_version(actor, key, version),
        actor=actor,
        set_name=asked.set,
        only=asked.only,
        incident_ref=asked.incident,
    )
    return Status(201, eval_answers.run(run))


@router.post(
    "/bundles/{key}/versions/{version}/eval-runs/junit",
    response={201: Answer},
    url_name="upload_junit",
    openapi_extra={
        "requestBody": {"content": {"application/xml": {"schema": {"type": "string"}}}, "required": True},
    },
)
def upload_junit(
    request: HttpRequest,
    key: str,
    version: str,
    to: Annotated[str, Query(alias="set", description="The set whose cases it is about.")] = cases.DEFAULT_SET,
    incident: Annotated[Text | None, Query(description="The incident it is about, such as INC-7.")] = None,
) -> Status[Answer]:
    """File a JUnit XML file, sent as the body: what it does not say of a case of the set counts as not run."""
    actor = actor_of(request)
    run = eval_runs.upload_junit(
        access.get_version(actor, key, version),
        actor=actor,
        body=request.body,
        set_name=to,
        incident_ref=incident or "",
    )
    return Status(201, {**eval_answers.run(run), **eval_answers.unmatched(run)})


@router.get("/eval-runs/{run}", response=Answer, url_name="eval_run")
def get_run(request: HttpRequest, run: int, cursor: Cursor = None, limit: Limit = 100) -> Answer:
    """One run: its state, how far it is, who holds it, and its results, newest first."""
    found = access.get_eval_run(actor_of(request), run)
    rows, following = page(found.results.select_related("case"), cursor, limit)
    told = {**eval_answers.run(found), "results": eval_answers.results(rows, following)}
    return told | (eval_answers.unmatched(found) if found.source == EvalRun.Source.JUNIT else {})


@router.post("/eval-runs/{run}/cancel", response=Answer, url_name="cancel_eval_run")
def cancel_run(request: HttpRequest, run: int) -> Answer:
    """End a run; its command ends within seconds."""
    actor = actor_of(request)
    return eval_answers.run(eval_runs.cancel(access.get_eval_run(actor, run), actor=actor))


@router.post("/eval-runs/{run}/again", response={201: Answer}, url_name="run_failed_again")
def run_failed_again(request: HttpRequest, run: int) -> Status[Answer]:
    """Run once more, on the same version, the cases that did not pass every try."""
    actor = actor_of(request)
    again = eval_again.run_failed_again(access.get_eval_run(actor, run), actor=actor)
    return Status(201, eval_answers.run(again))
