"""The JSON API of this app: edges only, each route calls one operation."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import AwareDatetime, Field

from accounts.errors import OperationRefused
from accounts.json_api import Cursor, Limit, OfAgent, Strict, Text, actor_of, page
from incidents import access, answers
from incidents.answers import Answer
from incidents.models import Incident, Receipt
from incidents.operations import (
    acknowledge,
    contain,
    deployment,
    duty,
    note,
    repeats,
    replay,
    resolve,
    severity,
    triage,
)
from incidents.operations import declare as declaring
from incidents.operations import reopen as reopening
from incidents.operations.postmortems import closing

router = Router(tags=["incidents"])

Words = Annotated[Text, Field(max_length=20_000)]
Short = Annotated[Text, Field(max_length=300)]


class DeclareIn(Strict):
    title: Short
    severity: Short = "SEV3"
    deployment: Short | None = Field(None, description="<key>/<environment>; prod when no environment is said.")
    detection_source: Short = "employee"
    started_at: AwareDatetime | None = Field(None, description="When the harm began, with its offset from UTC.")
    note: Words = ""


class NoteIn(Strict):
    text: Words


class SeverityIn(Strict):
    severity: Short = Field(description="SEV1 (worst) to SEV4")
    reason: Words = ""


class DutyIn(Strict):
    duty: Short = Field(description="commander, operations, comms or scribe")
    person: Short | None = Field(None, description="An e-mail address; whoever asks when not given.")


class DeploymentIn(Strict):
    deployment: Short = Field(description="<key>/<environment>")


class TriageIn(Strict):
    rollback_answer: Short = Field("", description="stop_the_bleed, not_help or not_sure")
    branch: Short = Field("", description="version, data, tool or user")
    diagnosis: Short = ""
    close: bool = Field(False, description="Close the step with these answers.")
    skip_reason: Words = Field("", description="Skip the step instead, for this reason.")


class SameIn(Strict):
    earlier: Short | None = Field(description="The reference of an incident that was opened before, such as INC-7.")


class ReasonIn(Strict):
    reason: Words


class ResolveIn(Strict):
    resolution: Words = Field(description="What fixed it.")
    origin: Short = Field("", description="A cause that is not named yet, such as model_update; unknown is an answer.")
    confidence: Short = Field("", description="How sure that is: known (unless said), likely or possible")
    no_case_reason: Words = Field("", description="Why each cause without a regression case gets none.")


class DocumentIn(Strict):
    skip_reason: Words = Field("", description="Close without a postmortem instead: why, in at least 15 characters.")


def shown(request: HttpRequest, incident: Incident) -> Answer:
    """The incident as it stands after an operation."""
    return answers.whole_incident(access.get_incident(actor_of(request), incident.ref))


@router.get("/incidents", response=Answer, url_name="list_incidents")
def list_incidents(
    request: HttpRequest, open: bool | None = None, agent: OfAgent = None, cursor: Cursor = None, limit: Limit = 50
) -> Answer:
    """Incidents, newest first. `open=true`: those not resolved; `open=false`: those resolved."""
    rows = access.incidents_for(actor_of(request))
    if open is not None:
        rows = rows.filter(resolved_at__isnull=open)
    if agent is not None:
        rows = rows.filter(deployment__bundle__agent__slug=agent)
    found, after = page(rows, cursor, limit)
    return {"items": [answers.incident(row) for row in found], "next": after}


@router.post("/incidents", response={201: Answer}, url_name="declare_incident")
def declare_incident(request: HttpRequest, body: DeclareIn) -> Status[Answer]:
    """Say that something is wrong."""
    actor = actor_of(request)
    incident = declaring.declare(
        actor=actor,
        title=body.title,
        severity=body.severity,
        deployment=access.find_deployment(actor, body.deployment) if body.deployment else None,
        detection_source=body.detection_source,
        started_at=body.started_at.astimezone(UTC) if body.started_at else None,
        note=body.note,
    )
    return Status(201, shown(request, incident))


@router.get("/incidents/{ref}", response=Answer, url_name="get_incident")
def get_incident(request: HttpRequest, ref: str) -> Answer:
    """One incident with its timeline."""
    return answers.whole_incident(access.get_incident(actor_of(request), ref))


@router.post("/incidents/{ref}/acknowledge", response=Answer, url_name="acknowledge_incident")
def acknowledge_incident(request: HttpRequest, ref: str) -> Answer:
    """Say "I have it". People only: a session of `lastgood login`, never a token."""
    actor = actor_of(request)
    return shown(request, acknowledge.acknowledge(access.get_incident(actor, ref), actor=actor))


@router.post("/incidents/{ref}/note", response={201: Answer}, url_name="add_note")
def add_note(request: HttpRequest, ref: str, body: NoteIn) -> Status[Answer]:
    """Note something on the timeline; answers the entry."""
    actor = actor_of(request)
    return Status(201, answers.entry(note.add(access.get_incident(actor, ref), actor=actor, text=body.text)))


@router.post("/incidents/{ref}/severity", response=Answer, url_name="set_severity")
def set_severity(request: HttpRequest, ref: str, body: SeverityIn) -> Answer:
    """Set the severity; a token may only raise it."""
    actor = actor_of(request)
    incident = access.get_incident(actor, ref)
    return shown(request, severity.set_severity(incident, actor=actor, severity=body.severity, reason=body.reason))


@router.post("/incidents/{ref}/duty", response=Answer, url_name="assign_duty")
def assign_duty(request: HttpRequest, ref: str, body: DutyIn) -> Answer:
    """Take a duty, or give it to somebody."""
    actor = actor_of(request)
    user = access.find_person(actor, body.person) if body.person else actor.person
    if user is None:
        raise OperationRefused("A token holds no duty. Name a person.", status=422)
    return shown(request, duty.assign(access.get_incident(actor, ref), actor=actor, user=user, duty=body.duty))


@router.delete("/incidents/{ref}/duty/{name}", response=Answer, url_name="release_duty")
def release_duty(request: HttpRequest, ref: str, name: str) -> Answer:
    """Nobody holds the duty any longer."""
    actor = actor_of(request)
    return shown(request, duty.release(access.get_incident(actor, ref), actor=actor, duty=name))


@router.post("/incidents/{ref}/deployment", response=Answer, url_name="choose_deployment")
def choose_deployment(request: HttpRequest, ref: str, body: DeploymentIn) -> Answer:
    """Which agent this is about, when the alert did not say."""
    actor = actor_of(request)
    chosen = access.find_deployment(actor, body.deployment)
    return shown(request, deployment.choose(access.get_incident(actor, ref), actor=actor, deployment=chosen))


@router.post("/incidents/{ref}/triage", response=Answer, url_name="answer_triage")
def answer_triage(request: HttpRequest, ref: str, body: TriageIn) -> Answer:
    """Answer the questions of triage, and close or skip the step when asked to."""
    actor = actor_of(request)
    incident = triage.work(
        access.get_incident(actor, ref),
        actor=actor,
        rollback_answer=body.rollback_answer,
        branch=body.branch,
        diagnosis=body.diagnosis,
        close_step=body.close,
        skip_reason=body.skip_reason,
    )
    return shown(request, incident)


@router.post("/incidents/{ref}/contained", response=Answer, url_name="say_contained")
def say_contained(request: HttpRequest, ref: str) -> Answer:
    """Say that the rollback or stop which stands holds this harm too. People only."""
    actor = actor_of(request)
    return shown(request, contain.say_contained(access.get_incident(actor, ref), actor=actor))


@router.post("/incidents/{ref}/waive", response=Answer, url_name="waive_containment")
def waive_containment(request: HttpRequest, ref: str, body: ReasonIn) -> Answer:
    """Go on without containing, for a reason. People only."""
    actor = actor_of(request)
    return shown(request, contain.waive(access.get_incident(actor, ref), actor=actor, reason=body.reason))


@router.post("/incidents/{ref}/resolve", response=Answer, url_name="resolve_incident")
def resolve_incident(request: HttpRequest, ref: str, body: ResolveIn) -> Answer:
    """Say that it is over. People only; refused with every exit that is unmet."""
    actor = actor_of(request)
    return shown(request, resolve.resolve(access.get_incident(actor, ref), actor=actor, **body.model_dump()))


@router.post("/incidents/{ref}/document", response=Answer, url_name="document_incident")
def document_incident(request: HttpRequest, ref: str, body: DocumentIn) -> Answer:
    """Close with the postmortem as it is published and signed, or without one for a reason. People only."""
    actor = actor_of(request)
    incident = access.get_incident(actor, ref)
    if body.skip_reason:
        return shown(request, closing.skip(incident, actor=actor, reason=body.skip_reason))
    return shown(request, closing.close(incident, actor=actor))


@router.post("/incidents/{ref}/same-as", response=Answer, url_name="say_same")
def say_same(request: HttpRequest, ref: str, body: SameIn) -> Answer:
    """Say which earlier incident this one is again; null: none that is known."""
    actor = actor_of(request)
    earlier = access.get_incident(actor, body.earlier) if body.earlier else None
    return shown(request, repeats.say_same(access.get_incident(actor, ref), actor=actor, earlier=earlier))


@router.post("/incidents/{ref}/reopen", response=Answer, url_name="reopen_incident")
def reopen_incident(request: HttpRequest, ref: str, body: ReasonIn) -> Answer:
    """It was not over."""
    actor = actor_of(request)
    return shown(request, reopening.reopen(access.get_incident(actor, ref), actor=actor, reason=body.reason))


@router.get("/receipts", response=Answer, url_name="list_receipts")
def list_receipts(
    request: HttpRequest, status: Receipt.Status | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Answer:
    """What monitors sent, newest first; `status=quarantined`: what could not be read."""
    found, after = page(access.receipts_for(actor_of(request), status), cursor, limit)
    return {"items": [answers.receipt(row) for row in found], "next": after}


@router.post("/receipts/{int:receipt}/replay", response=Answer, url_name="replay_receipt")
def replay_receipt(request: HttpRequest, receipt: int) -> Answer:
    """Read a quarantined receipt again; answers like the monitor's own request."""
    actor = actor_of(request)
    return replay.replay(access.get_receipt(actor, receipt), actor=actor).as_json()
