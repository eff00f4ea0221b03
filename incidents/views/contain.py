"""Presses that stop the harm. One press, no dialog; the answer is the Contain panel as it is afterwards."""

from __future__ import annotations

from functools import partial

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from accounts.errors import OperationRefused
from accounts.http import whole_number
from accounts.middleware import ActorRequest
from accounts.words import milliseconds
from incidents.models import Step
from incidents.operations import contain as containing
from incidents.views.acts import press, visit_of
from incidents.views.containment import shown_rollback
from incidents.views.room import after, refused
from rollouts.models import RollbackLeg
from rollouts.operations import legs


@require_POST
def roll_back(request: ActorRequest, ref: str) -> HttpResponse:
    """Back to the last good version; with ``to``, a number further below."""
    visit = visit_of(request, ref, Step.CONTAIN)
    asked = request.POST.get("to", "")
    to = whole_number(asked)
    if asked and to is None:
        return refused(visit, OperationRefused("A version to go back to is named by its number.", status=422))
    try:
        rollback = containing.roll_back(
            visit.incident, actor=visit.actor, reason=request.POST.get("reason", "")[:2000], to=to
        )
    except OperationRefused as refusal:
        return refused(visit, refusal)
    took = milliseconds(rollback.committed_ms)
    said = f"Rolled back to {rollback.to_version.label}, committed in {took}. Legs are open."
    return after(visit, said)


@require_POST
def roll_forward(request: ActorRequest, ref: str) -> HttpResponse:
    """The way back from a rollback."""
    visit = visit_of(request, ref, Step.CONTAIN)
    return press(visit, lambda: containing.roll_forward(visit.incident, actor=visit.actor), "Rolled forward.")


@require_POST
def stop(request: ActorRequest, ref: str) -> HttpResponse:
    """Engage the kill switch of one scope."""
    visit = visit_of(request, ref, Step.CONTAIN)
    scope = request.POST.get("scope", "writes")
    fallback = request.POST.get("fallback", "").strip()[:300]
    act = partial(containing.stop, visit.incident, actor=visit.actor, scope=scope, fallback=fallback)
    return press(visit, act, f"Stopped: {scope}.")


@require_POST
def release(request: ActorRequest, ref: str) -> HttpResponse:
    """Let go what was stopped, with what shows that it is safe."""
    visit = visit_of(request, ref, Step.CONTAIN)
    scope, reason = request.POST.get("scope", ""), request.POST.get("reason", "").strip()[:2000]
    act = partial(containing.release, visit.incident, actor=visit.actor, scope=scope, reason=reason)
    return press(visit, act, f"Released: {scope}.")


@require_POST
def say_contained(request: ActorRequest, ref: str) -> HttpResponse:
    """What stands already, pressed elsewhere or before, holds this harm too."""
    visit = visit_of(request, ref, Step.CONTAIN)
    act = partial(containing.say_contained, visit.incident, actor=visit.actor)
    return press(visit, act, f"{visit.incident.ref} is contained.")


@require_POST
def waive(request: ActorRequest, ref: str) -> HttpResponse:
    """Close containment without a rollback or stop."""
    visit = visit_of(request, ref, Step.CONTAIN)
    reason = request.POST.get("reason", "")
    act = partial(containing.waive, visit.incident, actor=visit.actor, reason=reason)
    return press(visit, act, "Containment is closed.")


@require_POST
def leg(request: ActorRequest, ref: str, kind: str) -> HttpResponse:
    """Say that a leg is done, waive it by name with a reason, verify what the machine did, or have it try again."""
    visit = visit_of(request, ref, Step.CONTAIN)
    rollback = shown_rollback(visit)
    found = rollback.legs.filter(kind=kind).first() if rollback else None
    if found is None:
        raise Http404
    verb = request.POST.get("verb")
    if verb in {"verify", "retry"}:
        again = legs.verify if verb == "verify" else legs.retry
        word = "verified" if verb == "verify" else "begun anew"
        return press(visit, partial(again, found, actor=visit.actor), f"{found.get_kind_display()} is {word}.")
    waived = verb == "waive"
    state = RollbackLeg.State.WAIVED if waived else RollbackLeg.State.DONE
    reason = request.POST.get("reason", "").strip()[:2000]
    word = "waived" if waived else "done"
    act = partial(legs.close, found, actor=visit.actor, state=state, reason=reason)
    return press(visit, act, f"{found.get_kind_display()} is {word}.")
