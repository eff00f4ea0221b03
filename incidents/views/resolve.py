"""What people press to prove a fix: causes, runs, promotion. The answer is the Resolve panel as it is afterwards."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from accounts import clock
from accounts.errors import OperationRefused
from accounts.http import whole_number
from accounts.middleware import ActorRequest
from incidents.access import get_cause
from incidents.forms import CauseForm
from incidents.models import Step
from incidents.operations import causes, proving
from incidents.views.acts import press, visit_of
from incidents.views.room import after, refused
from incidents.views.visit import Visit
from rollouts.access import get_deployment, get_version
from rollouts.models import EvalRun
from rollouts.operations import eval_runs
from rollouts.operations.promote import promote as promoting

SAID = {
    "bad": "Runs on the version that was bad are asked for.",
    "fix": "Runs on the version in service are asked for.",
    "next": "Runs on the next version are asked for.",
    "all": "A run of the whole suite is asked for.",
}
LONGEST_WAIVER = 366  # days


@require_POST
def add_cause(request: ActorRequest, ref: str) -> HttpResponse:
    """Name a cause."""
    visit = visit_of(request, ref, Step.RESOLVE)
    form = CauseForm(request.POST)
    if not form.is_valid():
        return refused(visit, OperationRefused(first_error(form), status=422))
    asked = {name: value for name, value in form.cleaned_data.items() if value}
    act = partial(causes.add, visit.incident, actor=visit.actor, **asked)
    return press(visit, act, "The cause is named.")


@require_POST
def change_cause(request: ActorRequest, ref: str, pk: int) -> HttpResponse:
    """Say how sure a cause is, why it has no case, why it needs no proof, or what speaks against it."""
    visit = visit_of(request, ref, Step.RESOLVE)
    cause = get_cause(request.actor, visit.incident.ref, pk)
    verb, reason = request.POST.get("verb", ""), request.POST.get("reason", "")
    if verb in {"known", "likely", "possible"}:
        act = partial(causes.change_confidence, cause, actor=visit.actor, confidence=verb)
        return press(visit, act, f"{cause.get_origin_display()} is {verb}.")
    verbs = {"no_case": causes.no_case, "waive": causes.waive_proof, "withdraw": causes.withdraw}
    if verb not in verbs:
        raise Http404
    return press(visit, partial(verbs[verb], cause, actor=visit.actor, reason=reason), "Recorded.")


@require_POST
def run(request: ActorRequest, ref: str) -> HttpResponse:
    """Ask for eval runs: on the bad version, on the fix, on the next version, or the whole suite."""
    visit = visit_of(request, ref, Step.RESOLVE)
    asked = request.POST.get("on", "")
    if asked not in SAID:
        raise Http404
    return press(visit, partial(proving.run, visit.incident, actor=visit.actor, on=asked), SAID[asked])


@require_POST
def cancel(request: ActorRequest, ref: str, pk: int) -> HttpResponse:
    """End a run nobody needs."""
    visit = visit_of(request, ref, Step.RESOLVE)
    found = get_object_or_404(EvalRun.objects.defer("raw"), pk=pk, version__bundle=bundle_of(visit))
    return press(visit, partial(eval_runs.cancel, found, actor=visit.actor), f"Run {pk} is cancelled.")


@require_POST
def promote(request: ActorRequest, ref: str) -> HttpResponse:
    """Make the version that is to be proven the active one of an environment; a waiver has a reason and an end."""
    visit = visit_of(request, ref, Step.RESOLVE)
    deployment = visit.incident.deployment
    if deployment is None:
        raise Http404
    key, environment = deployment.bundle.key, request.POST.get("environment", "")
    reason, days = request.POST.get("waiver_reason", "").strip(), whole_number(request.POST.get("waiver_days", ""))
    if reason and (days is None or not 0 < days <= LONGEST_WAIVER):
        return refused(visit, OperationRefused(f"A waiver is valid for 1 to {LONGEST_WAIVER} days.", status=422))
    try:
        made = promoting(
            get_deployment(request.actor, key, environment),
            get_version(request.actor, key, request.POST.get("number", "")),
            actor=visit.actor,
            waiver_reason=reason,
            waiver_expires_at=clock.now() + timedelta(days=days) if reason and days else None,
        )
    except OperationRefused as refusal:
        return refused(visit, refusal)
    return after(visit, f"{environment} serves {made.version.label}.")


def first_error(form: CauseForm) -> str:
    """One sentence of what to put right."""
    return next(str(message) for messages in form.errors.values() for message in messages)


def bundle_of(visit: Visit) -> int | None:
    """The bundle the room is about."""
    return visit.incident.deployment.bundle_id if visit.incident.deployment else None
