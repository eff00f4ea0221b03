"""What was made or run so that an incident does not happen twice becomes part of its record."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from accounts.actors import Actor
from incidents.models import Incident, TimelineEntry
from incidents.operations import rooms, timeline
from rollouts.models import EvalRun, RegressionCase

PINGS = ("resolve", "rail")
RUNNER = Actor.automation("Eval runner")
_IS_OVER = Q(done_at__isnull=False) | Q(given_up_at__isnull=False) | Q(cancelled_at__isnull=False)


def finished_runs() -> models.QuerySet[Any]:
    """Runs that are over, however they ended."""
    return EvalRun.objects.filter(_IS_OVER)


def record_case(pk: int) -> Incident | None:
    """Write into the incident a case was made in that it was, once; inside the caller's transaction."""
    case = RegressionCase.objects.select_related("eval_set__bundle", "user").get(pk=pk)
    return _record(
        "case",
        pk,
        case.incident_ref,
        TimelineEntry.Kind.CASE,
        f"Case {case.key} in {case.eval_set}: {case.title}",
        actor=rooms.actor_of(case),
        at=case.created_at,
        data={"case": case.pk},
    )


def record_run(pk: int) -> Incident | None:
    """Write into the incident a run was made for how it ended, once; inside the caller's transaction."""
    run = finished_runs().select_related("version__bundle", "eval_set_version__eval_set__bundle", "user").get(pk=pk)
    if run.cancelled_at is not None:
        actor = Actor.of_user(run.cancelled_by) if run.cancelled_by else rooms.actor_of(run)
    else:
        actor = RUNNER if run.source == EvalRun.Source.COMMAND else rooms.actor_of(run)
    return _record(
        "eval_run",
        pk,
        run.incident_ref,
        TimelineEntry.Kind.EVAL_RUN,
        sentence(run),
        actor=actor,
        at=run.cancelled_at or run.done_at or run.given_up_at,
        data={"run": run.pk, "state": run.state},
    )


def sentence(run: EvalRun) -> str:
    """How a run ended, for the timeline."""
    what = run.eval_set_version if run.only is None else f"{len(run.only)} of the cases of {run.eval_set_version}"
    counted = f"{run.passed} of {run.expected_total} passed"
    if run.failed:
        counted += f", {run.failed} failed"
    ended = EvalRun.State(run.state).label.lower()
    return f"Run {run.pk}, {what} on {run.version}: {ended}, {counted}"


def _record(
    kind: str, pk: int, ref: str, entry_kind: str, text: str, *, actor: Actor, at: Any, data: dict[str, Any]
) -> Incident | None:
    if not ref:
        return None
    move, fresh = rooms.claim(kind, pk, None)
    room = Incident.objects.filter(ref=ref.upper()).first()
    if not fresh or room is None:
        return move.incident
    room = timeline.lock(room)
    source = f"{kind}:{pk}"
    timeline.append(room, entry_kind, text, actor=actor, at=at, data=data, source=source, ping=PINGS)
    return rooms.belongs(move, room)
