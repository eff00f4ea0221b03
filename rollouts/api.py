"""The JSON API of this app: edges only, each route calls one operation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Query, Router, Status
from pydantic import Field, StrictInt

from accounts.json_api import PAGE, Cursor, Limit, NameCursor, OfAgent, Strict, Text, actor_of
from rollouts import access, answers, body_schema, diff, leg_answers, signals, switch_answers, switchboard
from rollouts.determinism import Outputs
from rollouts.operations import gates, kill_switch, legs, practice
from rollouts.operations.promote import promote as promote_version
from rollouts.operations.push import push
from rollouts.operations.roll_back import roll_back as roll_back_deployment
from rollouts.operations.roll_forward import roll_forward as roll_forward_deployment

router = Router(tags=["bundles and deployments"])

Answer = dict[str, Any]

Reason = Annotated[Text, Field(max_length=10_000)]
Room = Annotated[Text, Field(max_length=32, description="The incident it was pressed in, such as INC-7.")]


class WaiverIn(Strict):
    reason: Reason
    expires_at: datetime


class PromoteIn(Strict):
    number: StrictInt
    waiver: WaiverIn | None = None


class RollBackIn(Strict):
    to: StrictInt | None = Field(
        default=None, description="The number to go back to; the last good one when not given."
    )
    reason: Reason = ""
    incident: Room = ""


class RollForwardIn(Strict):
    reason: Reason = ""
    incident: Room = ""


class StopIn(Strict):
    scope: Text = Field(default="whole", description="whole, writes, region:<name>, tool:<name> or cohort:<name>")
    reason: Reason = ""
    fallback: Annotated[Text, Field(max_length=1_000)] = Field(default="", description="What customers get instead.")
    incident: Room = ""
    decided_at: datetime | None = Field(default=None, description="When it was decided, if that was before this call.")


class ReleaseIn(Strict):
    scope: Text = "whole"
    reason: Reason = ""


class OutputsIn(Strict):
    tool: Text
    example: StrictInt = Field(description="Which of the tool's examples, from 0.")
    outputs: list[Any] = Field(description="What each run gave; at least two.", max_length=100)


class GateIn(Strict):
    gate: Text
    state: Text = Field(default="", description="green or red; found from the outputs for the gate determinism")
    detail: Reason = ""
    outputs: list[OutputsIn] = Field(default=[], description="Of the gate determinism.", max_length=10_000)


class LegIn(Strict):
    state: Text = Field(description="done or waived")
    reason: Reason = ""


@router.get("/bundles", response=Answer, url_name="list_bundles")
def list_bundles(request: HttpRequest, cursor: NameCursor = None, limit: Limit = PAGE) -> Answer:
    """Every bundle with its newest version and where which version is active."""
    return answers.bundles(cursor, limit)


@router.get("/bundles/{key}", response=Answer, url_name="get_bundle")
def get_bundle(request: HttpRequest, key: str) -> Answer:
    """One bundle with all its versions, newest first."""
    return answers.bundle(access.get_bundle(actor_of(request), key))


@router.get("/bundles/{key}/versions", response=Answer, url_name="list_versions")
def list_versions(request: HttpRequest, key: str, cursor: Cursor = None, limit: Limit = PAGE) -> Answer:
    """The versions of one bundle, newest first, without their bodies."""
    return answers.versions(access.get_bundle(actor_of(request), key), cursor, limit)


@router.post(
    "/bundles/{key}/versions",
    response={201: Answer, 200: Answer},
    url_name="push_version",
    openapi_extra=body_schema.OPENAPI,
)
def push_version(request: HttpRequest, key: str, body: Annotated[dict[str, Any], Body()]) -> Status[Answer]:
    """Store a version: 201, or 200 with the version that this body already is. Findings: 422 with all of them.

    What the checks find in a body that can be stored is kept, and told as ``warnings``.
    """
    version, created = push(key, body, actor=actor_of(request))
    return Status(201 if created else 200, answers.pushed(version))


@router.get("/bundles/{key}/versions/{version}", response=Answer, url_name="get_version")
def get_version(request: HttpRequest, key: str, version: str) -> Answer:
    """One version, by number or label, with its body, digests and gates."""
    return answers.version(access.get_version(actor_of(request), key, version))


@router.get("/bundles/{key}/diff", response=Answer, url_name="diff_versions")
def diff_versions(
    request: HttpRequest,
    key: str,
    older: Annotated[str, Query(alias="from")],
    newer: Annotated[str, Query(alias="to")],
) -> Answer:
    """What moved from one version to another: the prompt by word, schemas by field, metadata apart."""
    old = access.get_version(actor_of(request), key, older)
    new = access.get_version(actor_of(request), key, newer)
    moved = diff.compare(old.body, new.body, behaviour_unchanged=old.behaviour_digest == new.behaviour_digest)
    return {"from": old.as_json(), "to": new.as_json(), **moved.as_json()}


@router.get("/bundles/{key}/versions/{version}/gates", response=Answer, url_name="gates")
def get_gates(
    request: HttpRequest,
    key: str,
    version: str,
    environment: Annotated[str, Query(description="Whose gates.")] = "prod",
) -> Answer:
    """How the gates of a version stand for one environment, and whether an eval run of it is under way."""
    actor = actor_of(request)
    found = access.get_version(actor, key, version)
    access.get_deployment(actor, key, environment)
    return answers.gates(found, environment)


@router.post("/bundles/{key}/versions/{version}/gates", response={201: Answer}, url_name="record_gate")
def record_gate(request: HttpRequest, key: str, version: str, body: GateIn) -> Status[Answer]:
    """Write what a gate said of a version; the newest result of each gate counts."""
    actor = actor_of(request)
    result = gates.record(
        access.get_version(actor, key, version),
        body.gate,
        body.state,
        body.detail,
        outputs=[Outputs(each.tool, each.example, each.outputs) for each in body.outputs],
        actor=actor,
    )
    return Status(201, answers.gate(result))


@router.get("/deployments", response=Answer, url_name="list_deployments")
def list_deployments(
    request: HttpRequest, agent: OfAgent = None, cursor: NameCursor = None, limit: Limit = PAGE
) -> Answer:
    """Every deployment that has an active version, the one activated last first."""
    return answers.deployments(agent, cursor, limit)


@router.get("/deployments/{key}/{environment}", response=Answer, url_name="get_deployment")
def get_deployment(request: HttpRequest, key: str, environment: str) -> Answer:
    """What runs, what one press goes back to, and everything that ran before."""
    return answers.deployment(access.get_deployment(actor_of(request), key, environment))


@router.post("/deployments/{key}/{environment}/promote", response=Answer, url_name="promote")
def promote(request: HttpRequest, key: str, environment: str, body: PromoteIn) -> Answer:
    """Make a version the active one. Refused with 409 and every reason."""
    actor = actor_of(request)
    waiver = body.waiver
    activation = promote_version(
        access.get_deployment(actor, key, environment),
        access.get_version(actor, key, body.number),
        actor=actor,
        waiver_reason=waiver.reason if waiver else "",
        waiver_expires_at=_with_zone(waiver.expires_at) if waiver else None,
    )
    return answers.activation(activation)


@router.post("/deployments/{key}/{environment}/rollback", response={201: Answer, 200: Answer}, url_name="roll_back")
def roll_back(
    request: HttpRequest, key: str, environment: str, body: Annotated[RollBackIn | None, Body()] = None
) -> Status[Answer]:
    """Back to the last good version: 201, or 200 with the rollback that already stands. The body may be empty."""
    actor, asked = actor_of(request), body or RollBackIn()
    rollback, created = roll_back_deployment(
        access.get_deployment(actor, key, environment),
        actor=actor,
        reason=asked.reason,
        to=asked.to,
        pressed_in=asked.incident,
    )
    if not created:  # the first press may still be at its paperwork; whoever comes first does it, so all can name it
        signals.announce("rollback", rollback.pk)
    return Status(201 if created else 200, answers.pressed(rollback))


@router.post("/deployments/{key}/{environment}/roll-forward", response=Answer, url_name="roll_forward")
def roll_forward(
    request: HttpRequest, key: str, environment: str, body: Annotated[RollForwardIn | None, Body()] = None
) -> Answer:
    """Activate again what the standing rollback took back."""
    actor, asked = actor_of(request), body or RollForwardIn()
    activation = roll_forward_deployment(
        access.get_deployment(actor, key, environment), actor=actor, reason=asked.reason, pressed_in=asked.incident
    )
    return answers.activation(activation)


@router.post("/deployments/{key}/{environment}/stop", response={201: Answer, 200: Answer}, url_name="stop")
def stop(
    request: HttpRequest, key: str, environment: str, body: Annotated[StopIn | None, Body()] = None
) -> Status[Answer]:
    """Stop the agent, or one scope of it: 201, or 200 with the stop that is already engaged."""
    actor, asked = actor_of(request), body or StopIn()
    engaged, created = kill_switch.engage(
        access.get_deployment(actor, key, environment),
        actor=actor,
        scope=asked.scope,
        reason=asked.reason,
        fallback=asked.fallback,
        pressed_in=asked.incident,
        decided_at=_with_zone(asked.decided_at) if asked.decided_at else None,
    )
    row = switchboard.row(engaged.kill_switch.deployment, asked.scope)
    return Status(201 if created else 200, {**answers.stop(engaged), "switch": switch_answers.row(row)})


@router.post("/deployments/{key}/{environment}/release", response=Answer, url_name="release")
def release(
    request: HttpRequest, key: str, environment: str, body: Annotated[ReleaseIn | None, Body()] = None
) -> Answer:
    """Let go what was stopped; people only."""
    actor, asked = actor_of(request), body or ReleaseIn()
    engaged = access.get_stop(actor, access.get_deployment(actor, key, environment), asked.scope)
    return answers.stop(kill_switch.release(engaged, actor=actor, reason=asked.reason))


@router.get("/rollbacks/{rollback}", response=Answer, url_name="get_rollback")
def get_rollback(request: HttpRequest, rollback: int) -> Answer:
    """One rollback with its legs, what each is about, and who closed it."""
    return answers.rollback(access.get_rollback(actor_of(request), rollback))


@router.post("/rollbacks/{rollback}/legs/{kind}", response=Answer, url_name="close_leg")
def close_leg(request: HttpRequest, rollback: int, kind: str, body: LegIn) -> Answer:
    """Say that a leg is done, or waive it with a reason; people only."""
    actor = actor_of(request)
    leg = legs.close(access.get_leg(actor, rollback, kind), actor=actor, state=body.state, reason=body.reason)
    return leg_answers.leg(leg)


def _with_zone(moment: datetime) -> datetime:
    """A time sent without its zone is UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class PracticeReportIn(Strict):
    run: StrictInt | None = None
    report: dict[str, Any] = {}


class PracticeStartIn(Strict):
    scenario: Text = Field(default="", description="One of GET /api/v1/practice's scenarios; the first when not given.")


@router.get("/practice", url_name="get_practice", response=Answer)
def get_practice(request: HttpRequest) -> Answer:
    """How the simulated fleet is (null where there is no practice data), and every scenario there is."""
    return answers.practice(practice.status())


@router.post("/practice/start", url_name="start_practice", response=Answer)
def start_practice(request: HttpRequest, body: Annotated[PracticeStartIn | None, Body()] = None) -> Answer:
    """Start a scenario, or wake the one that rests. Refused with 409 while another is awake."""
    practice.begin(actor=actor_of(request), scenario=body.scenario if body else "")
    return answers.practice(practice.status())


@router.post("/practice/stop", url_name="stop_practice", response=Answer)
def stop_practice(request: HttpRequest) -> Answer:
    """Let the fleet rest; what it made stays."""
    practice.rest(actor=actor_of(request))
    return answers.practice(practice.status())


@router.post("/practice/fix", url_name="push_practice_fix", response=Answer)
def push_practice_fix(request: HttpRequest) -> Answer:
    """Have the fleet push its fixed candidate, with the cases that prove it."""
    practice.push_fix(actor=actor_of(request))
    return answers.practice(practice.status())


@router.post("/practice/report", url_name="practice_report", response=Answer)
def practice_report(request: HttpRequest, body: PracticeReportIn) -> Answer:
    """What the simulated fleet tells of itself; answered by whether it is wanted."""
    return practice.report(body.run, body.report, actor=actor_of(request))
