"""Eval sets, their cases, and what runs said: does each failure fail there and hold here?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Q
from django.db.models.functions import ExtractQuarter, ExtractYear, Left
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from rollouts import access, junit
from rollouts.models import Bundle, BundleVersion, EvalResult, EvalRun, EvalSetVersion, RegressionCase
from rollouts.operations import cases, eval_again, eval_runs
from rollouts.operations.eval_proof import Tally, newest_tallies

MOST_CASES = 300
MOST_RESULTS = 300
SHOWN_OUTPUT = 4_000  # characters of one output on the page; the API has all that is kept
SHOWN_RAW = 16 * 1024


@dataclass(frozen=True, slots=True)
class Shown:
    """One set: its versions, newest first, and the cases of the newest with k of n on the versions of the page."""

    name: str
    newest: EvalSetVersion
    versions: list[EvalSetVersion]
    cases: list[tuple[RegressionCase, list[Tally | None]]]


@dataclass(frozen=True, slots=True)
class Quarter:
    """How many cases a quarter added, and how many there were by its end (R151)."""

    name: str
    added: int
    total: int
    incidents: int


@require_safe
def evals(request: ActorRequest, key: str) -> HttpResponse:
    """The sets of one bundle, what they hold, and how they grew."""
    bundle = access.get_bundle(request.actor, key)
    versions: dict[str, list[EvalSetVersion]] = {}
    for found in EvalSetVersion.objects.filter(eval_set__bundle=bundle).select_related("eval_set")[:1_000]:
        versions.setdefault(found.eval_set.name, []).append(found)
    compared = versions_of_interest(bundle)
    held = [pk for of_set in versions.values() for pk in of_set[0].case_ids[:MOST_CASES]]
    found_cases = list(
        RegressionCase.objects.filter(pk__in=held)
        .select_related("bad_version")
        .defer("inputs", "expected", "check_body", "bad_version__body")
        .order_by("-pk")
    )
    tallies = newest_tallies(found_cases, [version for version, _ in compared])
    sets = []
    for name, of_set in sorted(versions.items()):
        inside = set(of_set[0].case_ids)
        rows = [
            (case, [tallies.get((case.pk, version.pk)) for version, _ in compared])
            for case in found_cases
            if case.pk in inside
        ]
        sets.append(Shown(name, of_set[0], of_set[:10], rows))
    context = {
        "bundle": bundle,
        "sets": sets,
        "compared": compared,
        "quarters": growth(bundle),
        "runs": list(access.eval_runs().filter(version__bundle=bundle).order_by("-pk")[:10]),
        "may": Rights(request.actor),
    }
    return show(request, "rollouts/evals.html", context)


def versions_of_interest(bundle: Bundle) -> list[tuple[BundleVersion, str]]:
    """What prod serves and what was pushed last, each with what it is called; once when they are the same."""
    newest = BundleVersion.objects.defer("body").filter(bundle=bundle).select_related("bundle").first()
    deployment = bundle.deployments.filter(environment="prod").select_related("active").defer("active__body").first()
    active = deployment.active if deployment else None
    found = [(active, "in prod")] if active is not None else []
    return found + ([(newest, "newest")] if newest is not None and newest != active else [])


def growth(bundle: Bundle) -> list[Quarter]:
    """Cases by the quarter that added them, newest quarter first."""
    rows = (
        RegressionCase.objects.filter(eval_set__bundle=bundle)
        .order_by()
        .values(year=ExtractYear("created_at"), quarter=ExtractQuarter("created_at"))
        .annotate(added=Count("pk"), incidents=Count("incident_ref", distinct=True, filter=~Q(incident_ref="")))
        .order_by("year", "quarter")
    )
    found, total = [], 0
    for row in rows:
        total += row["added"]
        found.append(Quarter(f"{row['year']}Q{row['quarter']}", row["added"], total, row["incidents"]))
    return found[::-1]


@require_safe
def case(request: ActorRequest, key: str, name: str, case: str) -> HttpResponse:
    """One case whole, and how often it held on each version it was run on."""
    found = access.get_case(request.actor, key, name, case)
    runs = list(
        EvalResult.objects.filter(case=found)
        .order_by()
        .values("run_id", "run__version__label", "run__version__number", "run__state", "run__source")
        .annotate(
            at=Max("at"),
            tries=Count("pk", filter=~Q(outcome=EvalResult.Outcome.ERROR)),
            held=Count("pk", filter=Q(outcome=EvalResult.Outcome.PASS)),
            errors=Count("pk", filter=Q(outcome=EvalResult.Outcome.ERROR)),
        )
        .order_by("-run_id")[:50]
    )
    newest = cases.newest(found.eval_set)
    context = {
        "bundle": found.eval_set.bundle,
        "case": found,
        "is_held": newest is not None and found.pk in newest.case_ids,
        "replaced_by": getattr(found, "replaced_by", None),
        "runs": runs,
        "may": Rights(request.actor),
    }
    return show(request, "rollouts/case.html", context)


@require_POST
def remove_case(request: ActorRequest, key: str, name: str, case: str) -> HttpResponse:
    """Leave a case out of its set's next version."""
    found = access.get_case(request.actor, key, name, case)
    try:
        made = cases.remove_case(found, actor=acting(request), reason=request.POST.get("reason", ""))
    except OperationRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.info(request, f"{found.key} is left out of {made}.")
    return redirect("rollouts:case", key, name, case)


@require_safe
def run(request: ActorRequest, run: int) -> HttpResponse:
    """One run: how far it is, who holds it, what each try said, what the runner printed last."""
    found = access.get_eval_run(request.actor, run)
    results = list(
        found.results.select_related("case", "case__eval_set")
        .defer("output", "case__inputs", "case__expected", "case__check_body")
        .annotate(said=Left("output", SHOWN_OUTPUT))
        .order_by("outcome", "case__key", "attempt")[:MOST_RESULTS]  # error, fail, pass
    )
    progress = eval_runs.progress(found)
    printed = bytes(found.raw) if found.source == EvalRun.Source.COMMAND else b""
    context = {
        "run": found,
        "bundle": found.version.bundle,
        "progress": progress,
        "is_over": found.state not in {EvalRun.State.QUEUED, EvalRun.State.RUNNING},
        "results": results,
        "more": max(0, progress.done - len(results)),
        "printed": printed[-SHOWN_RAW:].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}"),
        "may": Rights(request.actor),
    }
    return show(request, "rollouts/run.html", context, region="run")


@require_POST
def cancel_run(request: ActorRequest, run: int) -> HttpResponse:
    """End a run."""
    found = access.get_eval_run(request.actor, run)
    try:
        eval_runs.cancel(found, actor=acting(request))
    except OperationRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("rollouts:run", run)


@require_POST
def run_failed_again(request: ActorRequest, run: int) -> HttpResponse:
    """Run once more what did not pass; on to the page of the new run."""
    found = access.get_eval_run(request.actor, run)
    try:
        made = eval_again.run_failed_again(found, actor=acting(request))
    except OperationRefused as refusal:
        if refusal.status == 403:
            raise
        messages.error(request, str(refusal))
        return redirect("rollouts:run", run)
    return redirect("rollouts:run", made.pk)


@require_POST
def request_run(request: ActorRequest, key: str, version: str) -> HttpResponse:
    """Run a set over this version, whole, or the cases named ``only``; on to the page of the run."""
    found = access.get_version(request.actor, key, version)
    try:
        made = eval_runs.request_run(
            found,
            actor=acting(request),
            set_name=request.POST.get("set", cases.DEFAULT_SET)[:64],
            only=request.POST.getlist("only") or None,
            incident_ref=request.POST.get("incident", "")[:20],
        )
    except OperationRefused as refusal:
        if refusal.status == 403:
            raise
        messages.error(request, str(refusal))
        return redirect("rollouts:version", found.bundle.key, found.label)
    return redirect("rollouts:run", made.pk)


@require_POST
def file_junit(request: ActorRequest, key: str, version: str) -> HttpResponse:
    """File what another runner found on this version, as a JUnit XML file; on to the page of the run."""
    found = access.get_version(request.actor, key, version)
    file = request.FILES.get("file")
    try:
        if file is None:
            raise OperationRefused("Choose the JUnit XML file that your runner wrote.", status=422)
        made = eval_runs.upload_junit(
            found,
            actor=acting(request),
            body=file.read(junit.MAX_BYTES + 1),  # one more than is taken: the operation says what is too large
            set_name=request.POST.get("set", cases.DEFAULT_SET)[:64],
        )
    except OperationRefused as refusal:
        if refusal.status == 403:
            raise
        messages.error(request, f"Not filed. {refusal}")
        return redirect("rollouts:version", found.bundle.key, found.label)
    return redirect("rollouts:run", made.pk)


def acting(request: ActorRequest) -> Any:
    """Whoever presses; the door has let nobody else in."""
    if request.actor is None:
        raise PermissionDenied
    return request.actor
