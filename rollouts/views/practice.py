"""The practice page, its buttons, and the banner that stands on every page while there is practice data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from rollouts.operations import practice
from rollouts.practice.scenarios import SCENARIOS


def act(request: ActorRequest, verb: Callable[..., Any], done: str) -> HttpResponse:
    """Call one operation, say what came of it, and go back to the page that the button stands on."""
    if request.actor is None:
        raise PermissionDenied
    try:
        verb(actor=request.actor)
    except OperationRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.info(request, done)
    back = request.POST.get("next", "")
    return redirect(back if url_has_allowed_host_and_scheme(back, allowed_hosts=None) else "/live")


@require_safe
def page(request: ActorRequest) -> HttpResponse:
    """What runs, and every scenario that can be started."""
    found = practice.status()
    context = {
        "tab": "practice",
        "run": found,
        "running": found.scenario if found is not None and found.is_awake else "",
        "key": SCENARIOS[found.scenario].key if found is not None else "",
        "scenarios": list(SCENARIOS.values()),
        "may": Rights(request.actor),
    }
    return show(request, "rollouts/practice.html", context, region="now")


@require_safe
def banner(request: ActorRequest) -> HttpResponse:
    """What the fleet is doing now: every page that shows it asks again."""
    return show(request, "components/practice.html", {"practice": practice.status()}, fragment=True)


@require_POST
def practice_start(request: ActorRequest) -> HttpResponse:
    """Start a scenario, or wake the fleet."""
    verb = partial(practice.begin, scenario=request.POST.get("scenario", ""))
    return act(request, verb, "Practice starts; its incident comes after about a minute.")


@require_POST
def practice_rest(request: ActorRequest) -> HttpResponse:
    """Let the fleet rest; its data stay."""
    return act(request, practice.rest, "The simulated fleet rests.")


@require_POST
def practice_fix(request: ActorRequest) -> HttpResponse:
    """Have the fleet push its fixed candidate."""
    return act(request, practice.push_fix, "The fleet pushes the fix within a few seconds.")


@require_POST
def practice_reset(request: ActorRequest) -> HttpResponse:
    """Take practice data away, the fleet with them."""
    return act(request, practice.remove, "Practice data are removed. The audit log keeps that they were there.")
