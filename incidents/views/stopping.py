"""What people write after a stop: why all of it, and by what it may act again. It never delays the press."""

from __future__ import annotations

from functools import partial

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from accounts.errors import OperationRefused
from accounts.http import whole_number
from accounts.middleware import ActorRequest
from incidents.models import Step
from incidents.views.acts import press, visit_of
from incidents.views.room import refused
from incidents.views.visit import Visit
from rollouts.models import Stop
from rollouts.operations import stop_words
from rollouts.switch_forms import PlanForm, ReasonForm, first_error


@require_POST
def reason(request: ActorRequest, ref: str) -> HttpResponse:
    """Why the whole agent was stopped, after the press."""
    visit, form = visit_of(request, ref, Step.CONTAIN), ReasonForm(request.POST)
    stop = _asked(visit)
    if not form.is_valid():
        return refused(visit, OperationRefused(first_error(form), status=422))
    act = partial(stop_words.give_reason, stop, actor=visit.actor, **form.cleaned_data)
    return press(visit, act, "Reason given.")


@require_POST
def plan(request: ActorRequest, ref: str) -> HttpResponse:
    """By what it may act again."""
    visit, form = visit_of(request, ref, Step.CONTAIN), PlanForm(request.POST)
    stop = _asked(visit)
    if not form.is_valid():
        return refused(visit, OperationRefused(first_error(form), status=422))
    act = partial(stop_words.plan_restore, stop, actor=visit.actor, **form.cleaned_data)
    return press(visit, act, "Restore plan written.")


def _asked(visit: Visit) -> Stop:
    """The stop of this incident's agent that the form names."""
    number = whole_number(visit.request.POST.get("stop", ""))
    if number is None:
        raise Http404
    own = Stop.objects.filter(kill_switch__deployment=visit.incident.deployment)
    stop = own.select_related("kill_switch__deployment__bundle").filter(pk=number).first()
    if stop is None:
        raise Http404
    return stop
