"""Saying that something is wrong, without waiting for a monitor."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.http import show
from accounts.middleware import ActorRequest
from incidents.forms import DeclareForm, errors_first
from incidents.operations import declare as declaring


@require_http_methods(["GET", "HEAD", "POST"])
def declare(request: ActorRequest) -> HttpResponse:
    """A title and a severity are enough."""
    form = DeclareForm(request.POST or None, initial={"title": request.GET.get("title", "")[:300]})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid() and isinstance(request.actor, Actor):
            fields = {name: value for name, value in form.cleaned_data.items() if value}
            try:
                incident = declaring.declare(actor=request.actor, **fields)
            except OperationRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                return HttpResponseRedirect(reverse("incidents:room", args=[incident.ref]))
    return show(request, "incidents/declare.html", errors_first(form), status=status)
