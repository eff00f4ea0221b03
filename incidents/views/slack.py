"""Who is who in Slack: the page a person's own link opens, and what an admin says on a person's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import OperationRefused
from accounts.http import show
from accounts.middleware import ActorRequest
from accounts.models import User
from incidents.operations import slack_identity
from incidents.views.frame_of_settings import acting
from incidents.views.people import whole


@require_http_methods(["GET", "HEAD", "POST"])
def link(request: ActorRequest, signed: str) -> HttpResponse:
    """Opening shows whose Slack name it is about; only the button links, and only whoever is signed in."""
    context: dict[str, Any] = {"signed": signed}
    status = 200
    try:
        asked = slack_identity.find_link(signed)
        context |= {"slack_user": asked.payload["user"], "slack_name": asked.payload["body"].get("user_name", "")}
        if request.method == "POST":
            slack_identity.use_link(signed, actor=acting(request))
            context["linked"] = True
    except OperationRefused as refusal:
        context["refusal"] = str(refusal)
        status = refusal.status
    response = show(request, "accounts/slack_link.html", context, status=status)
    response["Referrer-Policy"] = "no-referrer"
    return response


@require_POST
def link_person(request: ActorRequest, pk: int) -> HttpResponse:
    """An admin says which Slack user somebody is."""
    user = get_object_or_404(User, pk=pk)
    team, slack_user = request.POST.get("team", ""), request.POST.get("slack_user", "")
    try:
        slack_identity.link(user, actor=acting(request), team_id=team, slack_user_id=slack_user)
    except OperationRefused as refusal:
        return whole(request, user, refusal.status, refusal=str(refusal))
    return HttpResponseRedirect(reverse("incidents:person", args=[pk]))


@require_POST
def unlink_person(request: ActorRequest, pk: int) -> HttpResponse:
    """From now on nobody acts as this person from Slack."""
    user = get_object_or_404(User, pk=pk)
    try:
        slack_identity.unlink(user, actor=acting(request))
    except OperationRefused as refusal:
        return whole(request, user, refusal.status, refusal=str(refusal))
    return HttpResponseRedirect(reverse("incidents:person", args=[pk]))
