"""Forms that close a step with words: Resolve; and the way back."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from accounts.errors import OperationRefused
from accounts.middleware import ActorRequest
from incidents.forms import ResolveForm, errors_first
from incidents.models import Step
from incidents.operations import reopen as reopening
from incidents.operations import resolve as resolving
from incidents.views.acts import press, visit_of
from incidents.views.room import after, page, panel, refused, target_of
from incidents.views.visit import Visit


def again(visit: Visit, form: ResolveForm) -> HttpResponse:
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


@require_POST
def reopen(request: ActorRequest, ref: str) -> HttpResponse:
    """It was not over."""
    visit = visit_of(request, ref, Step.RESOLVE)
    reason = request.POST.get("reason", "")
    act = partial(reopening.reopen, visit.incident, actor=visit.actor, reason=reason)
    return press(visit, act, f"{visit.incident.ref} is open again.")
