"""The editor's page, who has it open, and the acts that begin and end a postmortem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import NotFound, OperationRefused
from accounts.http import wants_region
from accounts.middleware import ActorRequest, forbidden
from incidents.models import Postmortem, PostmortemRevision, Step
from incidents.operations.postmortems import closing, draft, presence, publish
from incidents.views import room
from incidents.views.acts import visit_of
from incidents.views.postmortems import reading
from incidents.views.postmortems.units import Unit, address
from incidents.views.visit import Visit


@require_safe
def postmortem(request: ActorRequest, ref: str) -> HttpResponse:
    """The Document step: the editor, or what was written once it is closed."""
    return room.room(request, ref, Step.DOCUMENT)


def whole(visit: Visit, *, unit: Unit | None = None, refusal: str = "", status: int = 200) -> HttpResponse:
    """The page with ``unit`` as somebody sent it, and why that was refused."""
    again = visit.again()
    if unit is not None:
        again.known["sent"] = unit
    return room.page(again, status=status, refusal=refusal)


@require_POST
def here(request: ActorRequest, ref: str) -> HttpResponse:
    """Say that one is still here, and where; answers with the line above the page and what belongs to it."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    found = reading.loaded(visit)
    if found is None:
        raise NotFound(f"Nobody has started the postmortem of {visit.incident.ref} yet.")
    presence.here(found.postmortem, actor=visit.actor, section=request.POST.get("section", ""))
    if not wants_region(request):
        return HttpResponseRedirect(address(visit.incident, "postmortem"))
    pieces = reading.units_of(visit, found)
    context = room.context_of(visit) | reading.signing(visit, found)
    context |= reading.status(visit, found, pieces, whole=True)
    status = render_to_string("incidents/postmortem/status.html", context, request)
    sign = render_to_string("incidents/postmortem/sign.html", context, request)
    html = f'{status}<hx-partial hx-target="#sign" hx-swap="outerMorph">{sign}</hx-partial>'
    return HttpResponse(html, headers={"Vary": "HX-Request", "Cache-Control": "no-store"})


@require_POST
def begin(request: ActorRequest, ref: str) -> HttpResponse:
    """Draft it from the record."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    return done(visit, lambda: draft.begin(visit.incident, actor=visit.actor))


@require_POST
def publish_revision(request: ActorRequest, ref: str) -> HttpResponse:
    """Keep the page as it is now, for ever."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    return done(visit, lambda: publish.publish(page_of(visit), actor=visit.actor), "sign")


@require_POST
def sign(request: ActorRequest, ref: str, number: int) -> HttpResponse:
    """Put one's name under a revision."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    revision = PostmortemRevision.objects.filter(postmortem=page_of(visit), number=number).first()
    if revision is None:
        raise Http404
    role = request.POST.get("role", "")
    return done(visit, lambda: publish.sign(revision, actor=visit.actor, role=role), "sign")


@require_POST
def close(request: ActorRequest, ref: str) -> HttpResponse:
    """Approve it and close the incident."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    return done(visit, lambda: closing.close(visit.incident, actor=visit.actor))


def page_of(visit: Visit) -> Postmortem:
    """The postmortem of the room, which somebody has begun."""
    found = Postmortem.objects.filter(incident=visit.incident).first()
    if found is None:
        raise NotFound(f"Nobody has started the postmortem of {visit.incident.ref} yet.")
    return found


def done(visit: Visit, act: Callable[[], Any], anchor: str = "") -> HttpResponse:
    """Do it and show the page as it is then, or the page with why not."""
    try:
        act()
    except OperationRefused as refusal:
        if refusal.status == 403:
            return forbidden(visit.request, str(refusal))
        return whole(visit, refusal=str(refusal), status=refusal.status)
    return HttpResponseRedirect(address(visit.incident, "postmortem") + (f"#{anchor}" if anchor else ""))
