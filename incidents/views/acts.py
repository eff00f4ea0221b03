"""What people press in a room: each reads its input, calls one operation, and shows the room as it is afterwards."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import OperationRefused
from accounts.http import whole_number
from accounts.middleware import ActorRequest
from accounts.models import User
from incidents.access import get_incident, get_room
from incidents.models import Incident, Step
from incidents.operations import acknowledge as acknowledging
from incidents.operations import deployment as naming
from incidents.operations import duty as duties
from incidents.operations import note as noting
from incidents.operations import repeats
from incidents.operations import severity as severities
from incidents.operations import triage as triaging
from incidents.operations.postmortems import closing
from incidents.views.containment import WHY
from incidents.views.room import after, enter, refused
from incidents.views.visit import Visit, panel_url
from rollouts.models import Deployment


def visit_of(request: ActorRequest, ref: str, step: str = "") -> Visit:
    """The room a press was made in, at the panel it names; old forms of a reference are not pressed in."""
    asked = step or request.POST.get("step", "")
    visit = enter(request, ref, asked if asked in Step.values and asked != Step.CLOSED else "")
    if isinstance(visit, HttpResponse):
        raise Http404
    return visit


def press(visit: Visit, act: Callable[[], Any], said: str) -> HttpResponse:
    """Do it and show what came of it, or why not."""
    try:
        act()
    except OperationRefused as refusal:
        return refused(visit, refusal)
    return after(visit, said)


@require_safe
def timeline(request: ActorRequest, ref: str) -> HttpResponse:
    """The record's own address: the room with its timeline in front."""
    incident = get_room(request.actor, ref)
    own = {Step.DOCUMENT, Step.CLOSED}  # the postmortem has the record inside it, and no room beside it
    beside = (
        panel_url(incident, Step.RESOLVE) if incident.step in own else reverse("incidents:room", args=[incident.ref])
    )
    return HttpResponseRedirect(f"{beside}?tab=timeline")


@require_POST
def acknowledge(request: ActorRequest, ref: str) -> HttpResponse:
    visit = visit_of(request, ref)
    said = f"You have {visit.incident.ref}."
    return press(visit, lambda: acknowledging.acknowledge(visit.incident, actor=visit.actor), said)


@require_POST
def note(request: ActorRequest, ref: str) -> HttpResponse:
    visit = visit_of(request, ref)
    text = request.POST.get("text", "")
    return press(visit, lambda: noting.add(visit.incident, actor=visit.actor, text=text), "Noted.")


@require_POST
def why(request: ActorRequest, ref: str) -> HttpResponse:
    """The reason of a rollback, by one tap after the press."""
    visit = visit_of(request, ref, Step.CONTAIN)
    reason = request.POST.get("why", "").strip()
    text = f"{WHY}{reason}" if reason else ""
    return press(visit, lambda: noting.add(visit.incident, actor=visit.actor, text=text), "Noted.")


@require_POST
def severity(request: ActorRequest, ref: str) -> HttpResponse:
    visit = visit_of(request, ref)
    level = request.POST.get("severity", "")
    act = partial(severities.set_severity, visit.incident, actor=visit.actor, severity=level)
    return press(visit, act, f"Severity {level}.")


@require_POST
def duty(request: ActorRequest, ref: str) -> HttpResponse:
    """Take a duty oneself."""
    visit = visit_of(request, ref)
    name = request.POST.get("duty", "")
    person = visit.actor.person
    if not isinstance(person, User):
        raise Http404
    act = partial(duties.assign, visit.incident, actor=visit.actor, user=person, duty=name)
    return press(visit, act, f"You are {name}.")


@require_POST
def agent(request: ActorRequest, ref: str) -> HttpResponse:
    """Say which deployment it is about."""
    visit = visit_of(request, ref, Step.DETECT)
    asked = whole_number(request.POST.get("deployment", ""))
    if asked is None:
        return refused(visit, OperationRefused("Choose the agent this is about.", status=422))
    deployment = get_object_or_404(Deployment.objects.select_related("bundle"), pk=asked)
    act = partial(naming.choose, visit.incident, actor=visit.actor, deployment=deployment)
    return press(visit, act, f"This is about {deployment}.")


@require_POST
def triage(request: ActorRequest, ref: str) -> HttpResponse:
    visit = visit_of(request, ref, Step.TRIAGE)
    asked = request.POST
    act = partial(
        triaging.answer,
        visit.incident,
        actor=visit.actor,
        rollback_answer=asked.get("rollback_answer", ""),
        branch=asked.get("branch", ""),
        diagnosis=asked.get("diagnosis", ""),
    )
    return press(visit, act, "Recorded.")


@require_POST
def close_triage(request: ActorRequest, ref: str) -> HttpResponse:
    visit = visit_of(request, ref, Step.TRIAGE)
    return press(visit, lambda: triaging.close(visit.incident, actor=visit.actor), "Triage is closed.")


@require_POST
def same_as(request: ActorRequest, ref: str) -> HttpResponse:
    """Say which earlier incident this one is again; empty: none that is known."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    named = request.POST.get("earlier", "").strip()

    def act() -> None:
        earlier = get_incident(request.actor, named) if named else None
        repeats.say_same(visit.incident, actor=visit.actor, earlier=earlier)

    return press(visit, act, "Recorded.")


@require_POST
def skip_step(request: ActorRequest, ref: str, step: str) -> HttpResponse:
    """Close triage, containment or the record without the usual work, for a reason that stays visible."""
    visit = visit_of(request, ref, step)
    reason = request.POST.get("reason", "")
    skips: dict[str, Callable[..., Incident]] = {Step.TRIAGE: triaging.skip, Step.DOCUMENT: closing.skip}
    if step not in skips:
        raise Http404
    return press(visit, lambda: skips[step](visit.incident, actor=visit.actor, reason=reason), "Recorded.")
