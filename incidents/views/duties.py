"""Who does what in one incident: taking, giving and leaving duties."""

from __future__ import annotations

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.errors import OperationRefused
from accounts.http import show, whole_number
from accounts.middleware import ActorRequest, forbidden
from accounts.models import User
from incidents.access import get_room
from incidents.models import Incident
from incidents.operations import duty as changing
from incidents.views.frame_of_room import DUTY_WORDS


@require_http_methods(["GET", "HEAD", "POST"])
def duties(request: ActorRequest, ref: str) -> HttpResponse:
    """The four duties, each with who holds it and who could."""
    incident = get_room(request.actor, ref)
    if request.method != "POST":
        return duties_page(request, incident)
    if request.actor is None:
        raise Http404
    duty, to = request.POST.get("duty", ""), request.POST.get("to", "")
    try:
        if to:
            user = get_object_or_404(User, pk=whole_number(to) or 0)
            changing.assign(incident, actor=request.actor, user=user, duty=duty)
        else:
            changing.release(incident, actor=request.actor, duty=duty)
    except OperationRefused as refusal:
        if refusal.status == 403:
            return forbidden(request, str(refusal))
        return duties_page(request, incident, refusal=str(refusal), status=refusal.status)
    return HttpResponseRedirect(reverse("incidents:duties", args=[incident.ref]))


def duties_page(request: ActorRequest, incident: Incident, *, refusal: str = "", status: int = 200) -> HttpResponse:
    """The page, with why something was refused."""
    holders = {r.duty: r.user for r in incident.responders.filter(to_at=None).select_related("user")}
    people = [
        user for user in User.objects.filter(is_active=True).order_by("email") if user.has_role(*changing.MAY_HOLD)
    ]
    context = {
        "incident": incident,
        "duties": [(duty.value, word, holders.get(duty)) for duty, word in DUTY_WORDS.items()],
        "people": people,
        "refusal": refusal,
    }
    return show(request, "incidents/duties.html", context, status=status)
