"""Who is on call, what waits for an acknowledgement, and the page that one woken person opens from a link."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from incidents.models import Incident, OnCall, Page
from incidents.operations import acknowledge as acknowledging


@require_safe
def on_call(request: ActorRequest) -> HttpResponse:
    """Who is on now and next, per team, and what nobody has acknowledged."""
    at = now()
    shifts = list(
        OnCall.objects.filter(Q(to_at=None) | Q(to_at__gt=at)).select_related("user", "team").order_by("from_at")[:100]
    )
    teams: dict[str, dict[str, list[OnCall]]] = {}
    for shift in shifts:
        team = shift.team.name if shift.team else "Everything without a team"
        teams.setdefault(team, {"now": [], "next": []})["now" if shift.from_at <= at else "next"].append(shift)
    waiting = list(
        Incident.objects.open()
        .filter(acknowledged_by=None)
        .order_by("severity", "opened_at")
        .only("ref", "title", "severity", "opened_at", "kind")[:20]
    )
    pages = list(Page.objects.select_related("incident", "user").order_by("-pk")[:10])
    context = {"teams": teams, "waiting": waiting, "pages": pages, "may": Rights(request.actor)}
    return show(request, "incidents/on_call.html", context, region="rota")


@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge_link(request: ActorRequest, token: str) -> HttpResponse:
    """One person, one incident, 30 minutes. Opening shows; only the button acknowledges, so scanners cannot."""
    context: dict[str, Any] = {"token": token}
    status = 200
    try:
        link = acknowledging.find_link(token)
        context |= {"incident": link.incident, "person": link.user}
        if request.method == "POST":
            context["incident"] = acknowledging.use_link(token)
            context["taken"] = True
    except OperationRefused as refusal:
        context["refusal"] = str(refusal)
        status = refusal.status
    response = show(request, "incidents/acknowledge_link.html", context, status=status)
    response["Referrer-Policy"] = "no-referrer"
    return response
