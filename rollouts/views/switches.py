"""The kill switches of one agent, as standing things: what each costs, gives and has proven."""

from __future__ import annotations

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Actor
from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest, forbidden
from rollouts import access, switchboard
from rollouts.models import Bundle, Deployment, Stop
from rollouts.operations import stop_words
from rollouts.operations import switches as describing
from rollouts.switch_forms import DescribeForm, PlanForm, ReasonForm, first_error

SHOWN_STOPS = 20


@require_safe
def switches(request: ActorRequest, key: str) -> HttpResponse:
    """Every switch of every environment, prod first, and what became of the newest stops."""
    bundle = access.get_bundle(request.actor, key)
    if bundle.key != key:
        return HttpResponseRedirect(reverse("rollouts:switches", args=[bundle.key]))
    return page(request, bundle)


def page(request: ActorRequest, bundle: Bundle, *, refusal: str = "", form: Form | None = None, status: int = 200,
         wrong: str = "") -> HttpResponse:  # fmt: skip
    """The page; ``refusal`` says what was wrong with ``form``, filled in for the environment ``wrong``."""
    deployments = list(
        Deployment.objects.filter(bundle=bundle)
        .select_related("bundle", "environment")
        .order_by("-environment__position")
    )
    found = switchboard.rows(deployments)
    stops = (
        Stop.objects.filter(kill_switch__deployment__in=deployments)
        .select_related("kill_switch__deployment__bundle", "containment", "released_by")
        .order_by("-pk")
    )
    context = {
        "bundle": bundle,
        "environments": [(deployment, _worth_showing(deployment, found[deployment.pk])) for deployment in deployments],
        "stops": list(stops[:SHOWN_STOPS]),
        "today": now().date(),
        "refusal": refusal,
        "form": form or DescribeForm(),
        "wrong": wrong,
        "may": Rights(request.actor),
    }
    return show(request, "rollouts/switches.html", context, region="switches", status=status)


@require_POST
def describe_switch(request: ActorRequest, key: str, environment: str) -> HttpResponse:
    """Describe a switch, or describe it anew."""
    deployment, actor = access.get_deployment(request.actor, key, environment), _actor(request)
    form = DescribeForm(request.POST)
    try:
        if not form.is_valid():
            raise OperationRefused(first_error(form), status=422)
        describing.describe(deployment, scope=form.cleaned_data["scope"], told=form.told(), actor=actor)
    except OperationRefused as refused:
        return _refused(request, deployment.bundle, refused, form, environment)
    messages.success(request, f"Described: {form.cleaned_data['scope']}.")
    return _back(deployment)


@require_POST
def probe_switch(request: ActorRequest, key: str, environment: str) -> HttpResponse:
    """Ask the off-state's address now."""
    actor = _actor(request)
    switch = access.get_switch(actor, key, environment, request.POST.get("scope", ""))
    try:
        switch = describing.probe(switch, actor=actor)
    except OperationRefused as refused:
        return _refused(request, switch.deployment.bundle, refused)
    messages.success(request, f"Asked: it answered {switch.probe_status or 'nothing'}.")
    return _back(switch.deployment)


@require_POST
def stop_reason(request: ActorRequest, stop: int) -> HttpResponse:
    """Why the whole agent was stopped."""
    actor, form = _actor(request), ReasonForm(request.POST)
    found = access.get_stop_by_number(actor, stop)
    try:
        if not form.is_valid():
            raise OperationRefused(first_error(form), status=422)
        stop_words.give_reason(found, actor=actor, **form.cleaned_data)
    except OperationRefused as refused:
        return _refused(request, found.kill_switch.deployment.bundle, refused)
    messages.success(request, "Reason given.")
    return _back(found.kill_switch.deployment)


@require_POST
def restore_plan(request: ActorRequest, stop: int) -> HttpResponse:
    """By what it may act again."""
    actor, form = _actor(request), PlanForm(request.POST)
    found = access.get_stop_by_number(actor, stop)
    try:
        if not form.is_valid():
            raise OperationRefused(first_error(form), status=422)
        stop_words.plan_restore(found, actor=actor, **form.cleaned_data)
    except OperationRefused as refused:
        return _refused(request, found.kill_switch.deployment.bundle, refused)
    messages.success(request, "Restore plan written.")
    return _back(found.kill_switch.deployment)


def _worth_showing(deployment: Deployment, rows: list[switchboard.Row]) -> list[switchboard.Row]:
    """All of them where something runs; elsewhere only what somebody has described or pressed."""
    return rows if deployment.active_id else [row for row in rows if row.switch is not None]


def _actor(request: ActorRequest) -> Actor:
    """The one the door let in."""
    if request.actor is None:
        raise PermissionError("this door is open to known actors only")
    return request.actor


def _back(deployment: Deployment) -> HttpResponse:
    where = f"#{deployment.environment_id}"
    return HttpResponseRedirect(reverse("rollouts:switches", args=[deployment.bundle.key]) + where)


def _refused(
    request: ActorRequest, bundle: Bundle, refused: OperationRefused, form: Form | None = None, environment: str = ""
) -> HttpResponse:
    """The page as it was filled in, with the sentence."""
    if refused.status == 403:
        return forbidden(request, str(refused))
    return page(request, bundle, refusal=str(refused), form=form, status=refused.status, wrong=environment)
