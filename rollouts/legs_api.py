"""The JSON API of what a rollback leaves behind: legs, connectors, conversations, in-flight work. Edges only."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Query, Router, Status
from pydantic import Field, StrictInt

from accounts.json_api import NO_STORE, Cursor, Limit, Strict, Text, actor_of, page
from rollouts import access, leg_answers
from rollouts.models import Connector
from rollouts.operations import cohorts, connectors, drain, leg_decisions, legs

router = Router(tags=["rollbacks"])
Answer = dict[str, Any]
Reason = Annotated[Text, Field(max_length=2_000)]
Name = Annotated[Text, Field(max_length=200)]
Count = Annotated[StrictInt, Field(ge=0)]
OfCohort = Annotated[str, Query(description="all, active, idle, region:<name> or conversation:<id>")]


class DecisionIn(Strict):
    subject: Name = Field(description="An eval set, an experiment, a consumer.")
    choice: Text = Field(description="re_anchor or pin; dead or restart; revert_parser or forward_fix")
    note: Reason = ""


class TreatmentIn(Strict):
    cohort: Name = "all"
    treatment: Text = Field(description="drain, pin, reset or force_next_turn")
    reason: Reason = ""


class InFlightIn(Strict):
    instance: Name = Field("", description="Who counts; empty: one that counts for all.")
    finished_old: Count = 0
    finished_new: Count = 0
    cancelled: Count = 0
    retried: Count = 0
    retried_ok: Count = 0
    remaining: Count | None = Field(None, description="What has not ended yet; null where that is not known.")


class ConnectorIn(Strict):
    kind: Text = Field(description="webhook, redis, langfuse or cdevents")
    name: Name
    config: dict[Text, Annotated[Text, Field(max_length=600)]] = {}
    legs: list[Text] = Field([], description="The legs it works for; may be left out where there is one.")
    secret: Annotated[Text, Field(max_length=4_096)] = Field("", description="A webhook's is made and answered once.")
    agent: Name | None = Field(None, description="Only this agent.")
    environment: Name | None = Field(None, description="Only this environment.")


@router.post("/rollbacks/{rollback}/legs/{kind}/verify", response=Answer, url_name="verify_leg")
def verify_leg(request: HttpRequest, rollback: int, kind: str) -> Answer:
    """A person looked and says that the leg is done; people only."""
    actor = actor_of(request)
    return leg_answers.leg(legs.verify(access.get_leg(actor, rollback, kind), actor=actor))


@router.post("/rollbacks/{rollback}/legs/{kind}/retry", response=Answer, url_name="retry_leg")
def retry_leg(request: HttpRequest, rollback: int, kind: str) -> Answer:
    """Begin anew what failed or is blocked, and look at the leg again."""
    actor = actor_of(request)
    return leg_answers.leg(legs.retry(access.get_leg(actor, rollback, kind), actor=actor))


@router.post("/rollbacks/{rollback}/legs/{kind}/decide", response=Answer, url_name="decide_leg")
def decide_leg(request: HttpRequest, rollback: int, kind: str, body: DecisionIn) -> Answer:
    """Choose for one subject of a leg; people only."""
    actor = actor_of(request)
    leg = access.get_leg(actor, rollback, kind)
    leg_decisions.decide(leg, actor=actor, subject=body.subject, choice=body.choice, note=body.note)
    return leg_answers.leg(access.get_leg(actor, rollback, kind))


@router.get("/rollbacks/{rollback}/cohorts", response=Answer, url_name="rollback_cohorts")
def rollback_cohorts(request: HttpRequest, rollback: int) -> Answer:
    """How many conversations each cohort holds, and how many nobody has chosen anything for."""
    found = cohorts.counted(access.get_rollback(actor_of(request), rollback))
    told = [
        {"cohort": each.name, "says": each.says, "conversations": each.conversations, "untreated": each.untreated}
        for each in found
    ]
    return {"items": told}


@router.post("/rollbacks/{rollback}/treatments", response={201: Answer}, url_name="treat_conversations")
def treat_conversations(request: HttpRequest, rollback: int, body: TreatmentIn) -> Status[Answer]:
    """Choose what becomes of a cohort; people only."""
    actor = actor_of(request)
    found = access.get_rollback(actor, rollback)
    made = leg_decisions.treat(found, actor=actor, cohort=body.cohort, treatment=body.treatment, reason=body.reason)
    told = {"cohort": made.cohort, "treatment": made.treatment, "conversations": made.conversations, "at": made.at}
    return Status(201, told)


@router.get("/rollbacks/{rollback}/conversations", response=Answer, url_name="rollback_conversations")
def rollback_conversations(
    request: HttpRequest, rollback: int, cohort: OfCohort = "all", cursor: Cursor = None, limit: Limit = 100
) -> Answer:
    """The conversations of a cohort, page by page."""
    rows = cohorts.of(access.get_rollback(actor_of(request), rollback), cohort).select_related("treatment")
    found, after = page(rows, cursor, limit)
    return {"items": [leg_answers.conversation(row) for row in found], "next": after}


@router.get("/rollbacks/{rollback}/conversations/export", url_name="export_conversations")
def export_conversations(
    request: HttpRequest, rollback: int, cohort: OfCohort = "all", form: Annotated[str, Query(alias="format")] = "csv"
) -> StreamingHttpResponse:
    """All of them as CSV or as JSON lines, streamed."""
    found = access.get_rollback(actor_of(request), rollback)
    kind = leg_answers.known_format(form)
    cohorts.of(found, cohort)
    name = f"rollback-{found.pk}-conversations.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": NO_STORE}
    return StreamingHttpResponse(leg_answers.export(found, cohort, form), content_type=kind, headers=headers)


@router.get("/deployments/{key}/{environment}/conversations/{path:conversation}", response=Answer, url_name="taint_of")
def taint_of(request: HttpRequest, key: str, environment: str, conversation: str) -> Answer:
    """Whether this conversation is tainted, and what was chosen for it. For runtimes, before each turn."""
    deployment = access.get_deployment(actor_of(request), key, environment)
    return leg_answers.taint(deployment, access.storable(conversation))


@router.post("/rollbacks/{rollback}/in-flight", response=Answer, url_name="report_in_flight")
def report_in_flight(request: HttpRequest, rollback: int, body: InFlightIn) -> Answer:
    """What one runtime counts since the flip: totals, so that a report sent twice changes nothing."""
    actor = actor_of(request)
    found = access.get_rollback(actor, rollback)
    drain.report(found, actor=actor, **body.model_dump())
    return drain.totals(found)


@router.get("/connectors", response=Answer, url_name="list_connectors")
def list_connectors(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> Answer:
    """What legs can ask, newest first. Admins only."""
    found, after = page(Connector.objects.select_related("agent"), cursor, limit)
    return {"items": [leg_answers.connector(row) for row in found], "next": after}


@router.post("/connectors", response={201: Answer}, url_name="add_connector")
def add_connector(request: HttpRequest, response: HttpResponse, body: ConnectorIn) -> Status[Answer]:
    """Add a connector; of a webhook the answer holds its signing `secret`, this once."""
    actor = actor_of(request)
    made, secret = connectors.create(
        actor=actor,
        kind=body.kind,
        name=body.name,
        config=body.config,
        legs=body.legs,
        secret=body.secret,
        agent=access.get_agent(actor, body.agent) if body.agent is not None else None,
        environment=access.get_environment(actor, body.environment) if body.environment is not None else None,
    )
    response["Cache-Control"] = NO_STORE
    return Status(201, leg_answers.connector(made) | ({"secret": secret} if secret else {}))


@router.post("/connectors/{int:connector}/test", response=Answer, url_name="test_connector")
def test_connector(request: HttpRequest, connector: int) -> Answer:
    """Really ask it, changing nothing there, and answer what was answered."""
    actor = actor_of(request)
    trial = connectors.test(access.get_connector(actor, connector), actor=actor)
    return {"ok": trial.ok, "answer": trial.answer, "took_ms": round(trial.took_ms, 1)}


@router.post("/connectors/{int:connector}/review", response=Answer, url_name="review_connector")
def review_connector(request: HttpRequest, connector: int) -> Answer:
    """Somebody looked whether the platform has a verb of its own by now."""
    actor = actor_of(request)
    return leg_answers.connector(connectors.review(access.get_connector(actor, connector), actor=actor))


@router.post("/connectors/{int:connector}/disable", response=Answer, url_name="disable_connector")
def disable_connector(request: HttpRequest, connector: int) -> Answer:
    """Ask it nothing any more."""
    actor = actor_of(request)
    return leg_answers.connector(connectors.disable(access.get_connector(actor, connector), actor=actor))
