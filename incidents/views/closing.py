"""Forms that close a step with words: Resolve, and the page an incident leaves behind."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import OperationRefused
from accounts.middleware import ActorRequest
from incidents.forms import PostmortemForm, ResolveForm, errors_first
from incidents.models import Step
from incidents.operations import reopen as reopening
from incidents.operations import resolve as resolving
from incidents.operations.postmortems import closing, draft, edit, publish
from incidents.views.acts import press, visit_of
from incidents.views.room import after, page, panel, refused, room, target_of
from incidents.views.visit import Visit


def again(visit: Visit, form: ResolveForm | PostmortemForm) -> HttpResponse:
    """The panel with the form as it was filled in and what is wrong with it."""
    answer = panel if target_of(visit.request) else page
    return answer(visit, status=422, **errors_first(form))


@require_POST
def resolve(request: ActorRequest, ref: str) -> HttpResponse:
    """Where it came from and what made it right."""
    visit = visit_of(request, ref, Step.RESOLVE)
    form = ResolveForm(request.POST)
    if not form.is_valid():
        return again(visit, form)
    try:
        resolving.resolve(visit.incident, actor=visit.actor, **form.cleaned_data)
    except OperationRefused as refusal:
        return refused(visit, refusal, form=form)
    return after(visit, f"{visit.incident.ref} is resolved.")


@require_safe
def postmortem(request: ActorRequest, ref: str) -> HttpResponse:
    """The Document panel."""
    return room(request, ref, Step.DOCUMENT)


@require_POST
def document(request: ActorRequest, ref: str) -> HttpResponse:
    """Close the record with what was written."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    form = PostmortemForm(request.POST)
    if not form.is_valid():
        return again(visit, form)
    try:
        page = draft.begin(visit.incident, actor=visit.actor)
        versions = dict(page.sections.values_list("name", "version"))
        for name, text in form.cleaned_data.items():
            edit.save_section(page, actor=visit.actor, name=name, text=text, version=versions.get(name, 0))
        publish.publish(page, actor=visit.actor)
        closing.close(visit.incident, actor=visit.actor)
    except OperationRefused as refusal:
        return refused(visit, refusal, form=form)
    return after(visit, f"{visit.incident.ref} is documented.")


@require_POST
def reopen(request: ActorRequest, ref: str) -> HttpResponse:
    """It was not over."""
    visit = visit_of(request, ref, Step.RESOLVE)
    reason = request.POST.get("reason", "")
    act = partial(reopening.reopen, visit.incident, actor=visit.actor, reason=reason)
    return press(visit, act, f"{visit.incident.ref} is open again.")
