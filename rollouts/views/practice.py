"""The buttons of the practice banner; each leads back to the live board."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import OperationRefused
from accounts.http import show
from accounts.middleware import ActorRequest
from rollouts.operations import practice


def act(request: ActorRequest, verb: Callable[..., Any], done: str) -> HttpResponse:
    """Call one operation, say what came of it, and show the live board."""
    if request.actor is None:
        raise PermissionDenied
    try:
        verb(actor=request.actor)
    except OperationRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.info(request, done)
    return redirect("/live")


@require_safe
def banner(request: ActorRequest) -> HttpResponse:
    """What the fleet is doing now: every page that shows it asks again."""
    return show(request, "components/practice.html", {"practice": practice.status()}, fragment=True)


@require_POST
def practice_start(request: ActorRequest) -> HttpResponse:
    """Start the fleet, or wake it."""
    return act(request, practice.begin, "Practice starts; its first incident comes after about a minute.")


@require_POST
def practice_rest(request: ActorRequest) -> HttpResponse:
    """Let the fleet rest; its data stay."""
    return act(request, practice.rest, "The simulated fleet rests.")


@require_POST
def practice_reset(request: ActorRequest) -> HttpResponse:
    """Take practice data away, the fleet with them."""
    return act(request, practice.remove, "Practice data are removed. The audit log keeps that they were there.")
