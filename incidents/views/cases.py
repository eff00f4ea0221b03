"""Cases of an incident: made in one press from a failing run, made better, or written by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import NotFound, OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest, forbidden
from incidents.access import get_room
from incidents.case_form import CaseForm, initial
from incidents.forms import errors_first
from incidents.models import Incident
from incidents.operations import cases
from incidents.views.acts import visit_of
from rollouts.models import EvalResult, RegressionCase

#: Tries of a case that its page lists.
SHOWN = 20


@require_POST
def from_run(request: ActorRequest, ref: str, day: str, trace_id: str) -> HttpResponse:
    """One press: the case stands, and its page offers to make it better. What the telemetry lacks, a person writes."""
    visit = visit_of(request, ref)
    try:
        of_day = date.fromisoformat(day)
    except ValueError:
        raise Http404 from None
    try:
        made, fresh = cases.from_run(visit.incident, actor=visit.actor, day=of_day, trace_id=trace_id)
    except NotFound:
        raise Http404 from None
    except OperationRefused as refusal:
        if refusal.status == 403:
            return forbidden(request, str(refusal))
        if "draft" in refusal.details:
            query = f"?day={day}&trace={trace_id}"
            return HttpResponseRedirect(reverse("incidents:new_case", args=[visit.incident.ref]) + query)
        return refused(request, visit.incident, str(refusal), refusal.status)
    return HttpResponseRedirect(page_of(visit.incident, made) + ("?made=1" if fresh else ""))


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: ActorRequest, ref: str) -> HttpResponse:
    """A case by hand, or from a run that tells too little: what is known stands in the form, the rest is empty."""
    incident = get_room(request.actor, ref)
    try:
        bundle = cases.deployment_of(incident).bundle
    except OperationRefused as refusal:
        return refused(request, incident, str(refusal), refusal.status)
    known, lacks, run, bad = drafted(request, incident)
    versions = bundle.versions.defer("body").order_by("-number")
    form = CaseForm(request.POST or None, versions=versions, initial=known | {"bad_version": bad})
    status = 200
    if request.method == "POST" and request.actor is not None:
        status = 422
        if form.is_valid():
            try:
                made = cases.make(
                    incident,
                    actor=request.actor,
                    bad_version=form.cleaned_data["bad_version"],
                    invocation=run,
                    **form.said(),
                )
            except OperationRefused as refusal:
                form.add_error(None, str(refusal))
                status = refusal.status
            else:
                return HttpResponseRedirect(page_of(incident, made) + "?made=1")
    context = {"incident": incident, "lacks": lacks, "run": run, **errors_first(form)}
    return show(request, "incidents/case.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def case(request: ActorRequest, ref: str, pk: int) -> HttpResponse:
    """One case, what its tries said, and the form that makes it better."""
    incident = get_room(request.actor, ref)
    found = read(incident, pk)
    known = initial(
        title=found.title,
        inputs=found.inputs,
        expected=found.expected,
        check_kind=found.check_kind,
        check_body=found.check_body,
        repeats=found.repeats,
        key=found.key,
    )
    form = CaseForm(request.POST or None, initial=known)
    status = 200
    if request.method == "POST" and request.actor is not None:
        status = 422
        if form.is_valid():
            try:
                better = cases.refine(found, incident, actor=request.actor, **form.said())
            except OperationRefused as refusal:
                if refusal.status == 403:
                    return forbidden(request, str(refusal))
                form.add_error(None, str(refusal))
                status = refusal.status
                found = read(incident, pk)  # the attempt left its mark on the object
            else:
                return HttpResponseRedirect(page_of(incident, better))
    tries = EvalResult.objects.filter(case=found).select_related("run__version").defer("run__raw", "run__version__body")
    context = {
        "incident": incident,
        "case": found,
        "made": "made" in request.GET,
        "may": Rights(request.actor, incident.deployment),
        "tries": list(tries.order_by("-pk")[:SHOWN]),
        **errors_first(form),
    }
    return show(request, "incidents/case.html", context, status=status)


def read(incident: Incident, pk: int) -> RegressionCase:
    """The case ``pk`` of the incident's agent."""
    return get_object_or_404(
        RegressionCase.objects.select_related("eval_set__bundle", "bad_version", "replaced_by", "replaces", "user"),
        pk=pk,
        eval_set__bundle=incident.deployment.bundle_id if incident.deployment else None,
    )


def drafted(request: ActorRequest, incident: Incident) -> tuple[dict[str, Any], list[str], Any, Any]:
    """(what the form shows, what is lacking, the run, the bad version) of ``?day=…&trace=…``; blank without."""
    day, trace = request.GET.get("day", ""), request.GET.get("trace", "")
    blank = {"check_kind": RegressionCase.Check.RUBRIC, "repeats": 1}
    if not trace:
        return blank, [], None, None
    try:
        of_day = date.fromisoformat(day)
        draft, version = cases.draft_of(incident, day=of_day, trace_id=trace)
    except (ValueError, NotFound):
        raise Http404 from None
    known = initial(
        title=draft.title,
        inputs=draft.inputs,
        expected=draft.expected,
        check_kind=draft.check_kind,
        check_body=draft.check_body,
    )
    return known, draft.lacks, (of_day, trace, draft.span_id), version


def page_of(incident: Incident, case: RegressionCase) -> str:
    return reverse("incidents:case", args=[incident.ref, case.pk])


def refused(request: ActorRequest, incident: Incident, sentence: str, status: int) -> HttpResponse:
    """A page with the sentence, where there is no form to show it in."""
    return show(request, "incidents/case.html", {"incident": incident, "refusal": sentence}, status=status)
