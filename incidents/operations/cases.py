"""Regression cases out of what went wrong here: made in one press from a failing run, or written, or made better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.actors import Actor
from accounts.errors import NotFound, OperationRefused
from accounts.permissions import Permission, require
from incidents import case_draft
from incidents.case_draft import Draft
from incidents.models import Cause, Incident
from incidents.operations import causes, timeline
from incidents.operations.refusals import still_open_record
from rollouts import stack
from rollouts.models import AgentRun, Bundle, BundleVersion, Deployment, Invocation, RegressionCase
from rollouts.operations import cases as sets
from rollouts.telemetry import questions

#: How far from a run another one of the same conversation is still comparable with it.
COMPARABLE = timedelta(days=2)


@transaction.atomic
def from_run(
    incident: Incident, *, actor: Actor, day: date, trace_id: str, at: datetime | None = None
) -> tuple[RegressionCase, bool]:
    """The case made from one run in this room, and whether it is new: pressed again it is the same.

    Refused with 422, a ``draft`` and what is lacking when the telemetry does not tell what the agent was given.
    """
    require(actor, Permission.RESPOND)
    incident = timeline.lock(incident)
    standing = RegressionCase.objects.filter(incident_ref=incident.ref, day=day, trace_id=trace_id, replaced_by=None)
    if (made := standing.select_related("eval_set__bundle").first()) is not None:
        return made, False
    found, version = draft_of(incident, day=day, trace_id=trace_id)
    if found.lacks:
        raise OperationRefused(
            " ".join(found.lacks), status=422, details={"reasons": found.lacks, "draft": as_json(found)}
        )
    case = make(
        incident,
        actor=actor,
        key=f"{incident.ref.lower()}-{trace_id[:8]}",
        title=found.title,
        inputs=found.inputs,
        expected=found.expected,
        check_kind=found.check_kind,
        check_body=found.check_body,
        invocation=(day, trace_id, found.span_id),
        bad_version=version,
        at=at,
    )
    return case, True


@transaction.atomic
def make(
    incident: Incident,
    *,
    actor: Actor,
    title: str,
    inputs: Any,
    check_kind: str,
    check_body: Any,
    expected: Any = None,
    key: str = "",
    repeats: int = 1,
    invocation: sets.Invocation | None = None,
    bad_version: BundleVersion | None = None,
    covers: Sequence[Cause] | None = None,
    at: datetime | None = None,
) -> RegressionCase:
    """Add a case to the agent's golden set. It covers the causes named, else the one that needs it most."""
    require(actor, Permission.RESPOND)
    incident = timeline.lock(incident)
    still_open_record(incident)
    case = sets.add_case(
        deployment_of(incident).bundle,
        actor=actor,
        key=key,
        title=title,
        inputs=inputs,
        expected=expected,
        check_kind=check_kind,
        check_body=check_body,
        repeats=repeats,
        invocation=invocation,
        incident_ref=incident.ref,
        bad_version=bad_version,
        at=at,
    )
    _cover(case, needing(incident) if covers is None else covers, actor=actor, at=at)
    return case


@transaction.atomic
def refine(
    case: RegressionCase,
    incident: Incident,
    *,
    actor: Actor,
    title: str,
    inputs: Any,
    check_kind: str,
    check_body: Any,
    expected: Any = None,
    key: str = "",
    repeats: int = 1,
    at: datetime | None = None,
) -> RegressionCase:
    """A better case in place of ``case``, which stays with its results; the same again is the same case."""
    require(actor, Permission.RESPOND)
    incident = timeline.lock(incident)
    still_open_record(incident)
    said = (title.strip(), inputs, expected, check_kind, check_body, repeats)
    if said == (case.title, case.inputs, case.expected, case.check_kind, case.check_body, case.repeats):
        return case
    better = sets.add_case(
        case.eval_set.bundle,
        actor=actor,
        set_name=case.eval_set.name,
        key="" if key == case.key else key,
        title=title,
        inputs=inputs,
        expected=expected,
        check_kind=check_kind,
        check_body=check_body,
        repeats=repeats,
        invocation=(case.day, case.trace_id, case.span_id) if case.day else None,
        incident_ref=case.incident_ref or incident.ref,
        bad_version=case.bad_version,
        replaces=case,
        at=at,
    )
    _cover(better, incident.causes.live().filter(cases=case), actor=actor, at=at)
    return better


def draft_of(incident: Incident, *, day: date, trace_id: str) -> tuple[Draft, BundleVersion | None]:
    """What a case from this run would be, and the version that failed; NotFound when the run is not kept."""
    deployment = deployment_of(incident)
    bundle = deployment.bundle
    spans = [span for span in questions.spans_of(day, trace_id) if span.bundle_key in {"", bundle.key}]
    if not spans:
        raise NotFound(f"No run {trace_id[:32]} of {bundle} is kept for {day}.")
    version = version_of(bundle, spans)
    tools = version.body.get("tools", []) if version else []
    schemas = {str(tool.get("name")): tool.get("input_schema") for tool in tools}
    return case_draft.draft(spans, schemas, comparable(deployment, spans)), version


def version_of(bundle: Bundle, spans: Iterable[Invocation]) -> BundleVersion | None:
    """The version that made these calls, as they say; None when they do not, or we do not hold it."""
    for span in spans:
        if span.version_number is None and not span.version_label:
            continue
        named = Q(number=span.version_number) if span.version_number is not None else Q(label=span.version_label)
        return bundle.versions.filter(named).first()
    return None


def comparable(deployment: Deployment, spans: Sequence[Invocation]) -> list[Invocation]:
    """The calls of a run of the same conversation that went well under the last good version; empty without one."""
    conversation = next((span.conversation_id for span in spans if span.conversation_id), "")
    good = deployment.active if deployment.standing_rollback_id else stack.last_good(deployment)
    if not conversation or good is None:
        return []
    run = (
        AgentRun.objects.filter(
            Q(version_number=good.number) | Q(version_label=good.label),
            bundle_key=deployment.bundle.key,
            at__range=(spans[0].at - COMPARABLE, spans[0].at + COMPARABLE),
            conversation_id=conversation,
            failed=False,
        )
        .order_by("-at")
        .first()
    )
    return questions.spans_of(run.day, run.trace_id) if run else []


def as_json(draft: Draft) -> dict[str, Any]:
    """A draft as the API tells it."""
    return {
        "title": draft.title,
        "inputs": draft.inputs,
        "expected": draft.expected,
        "check": {"kind": draft.check_kind, "body": draft.check_body},
    }


def deployment_of(incident: Incident) -> Deployment:
    if incident.deployment is None:
        raise OperationRefused(f"{incident.ref} names no agent yet. Say which agent this is about.")
    return incident.deployment


def needing(incident: Incident) -> list[Cause]:
    """The cause a new case is taken to cover: the only one; of several, the first that has neither case nor reason."""
    live = list(incident.causes.live())
    if len(live) == 1:
        return live
    return list(incident.causes.live().without_case().filter(no_case_reason="")[:1])


def _cover(case: RegressionCase, named: Iterable[Cause], *, actor: Actor, at: datetime | None) -> None:
    for cause in named:
        causes.link_case(cause, case, actor=actor, at=at)
