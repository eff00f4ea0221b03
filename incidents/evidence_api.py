"""The JSON API of triage's evidence: what stored telemetry says of the runs an incident is about."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router

from accounts import clock
from accounts.json_api import actor_of
from incidents import access
from incidents.answers import Answer, moment
from incidents.operations.cases import deployment_of
from incidents.operations.window import window_of
from rollouts.telemetry import questions
from rollouts.telemetry.facts import FailureSummary, RollbackWould, Sample

router = Router(tags=["incidents"])
Most = Annotated[int, Query(ge=1, le=100, description="How many failed runs to name.")]


@router.get("/incidents/{ref}/evidence", response=Answer, url_name="get_evidence")
def get_evidence(request: HttpRequest, ref: str, limit: Most = 20) -> Answer:
    """How many runs failed, in which ways, what they share, what a rollback would do, and the newest failed ones:
    `day` and `trace_id` make a case. Refused with 409 while nobody has said which agent it is about."""
    incident = access.get_incident(actor_of(request), ref)
    deployment = deployment_of(incident)
    window = window_of(incident, deployment, clock.now())
    return {
        "since": moment(window.since),
        "until": moment(window.until),
        "runs": counted(questions.failure_summary(window)),
        "rollback_would": advised(questions.rollback_would(deployment, window.since, window.until)),
        "patterns": [
            {
                "error_type": each.error_type,
                "message": each.message,
                "runs": each.runs,
                "first_at": moment(each.first_at),
                "last_at": moment(each.last_at),
                "example": run(each.example),
            }
            for each in questions.failure_patterns(window)
        ],
        "shared": [
            {
                "dimension": each.dimension,
                "value": each.value,
                "bad_share": each.bad_share,
                "good_share": each.good_share,
                "symptom": each.symptom,
            }
            for each in questions.shared_by_failures(window).differences
        ],
        "failed": [run(each) for each in questions.samples(window, limit=limit)],
    }


def counted(summary: FailureSummary) -> Answer:
    """Shares are null where nothing was counted, never zero."""
    return {
        "total": summary.total_runs,
        "failed": summary.failed_runs,
        "refused": summary.refused_runs,
        "schema_checked": summary.schema_checked_runs,
        "schema_valid": summary.schema_valid_runs,
        "failed_share": summary.failed_share,
        "schema_valid_share": summary.schema_valid_share,
    }


def advised(would: RollbackWould | None) -> Answer | None:
    """Null when nothing is active or there is nothing to go back to."""
    if would is None:
        return None
    return {"from": would.active_label, "to": would.target_label, "advice": would.advice, "sentence": would.sentence}


def run(sample: Sample) -> Answer:
    """One run; its calls stand at ``/runs/<day>/<trace_id>/``."""
    return {
        "day": sample.day.isoformat(),
        "trace_id": sample.trace_id,
        "at": moment(sample.at),
        "version": sample.version_label or None,
        "instance": sample.instance or None,
        "region": sample.region or None,
        "model": sample.model or None,
        "tools": list(sample.tools),
        "error_type": sample.error_type or None,
        "error_message": sample.error_message or None,
        "conversation": sample.conversation_id or None,
    }
