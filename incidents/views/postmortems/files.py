"""The page as a file to keep: JSON that reads back, Markdown for people."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.errors import NotFound
from accounts.http import whole_number
from accounts.middleware import ActorRequest
from incidents import access, exports
from incidents.operations.postmortems.content import content_of

TYPES = {"json": "application/json", "md": "text/markdown; charset=utf-8"}
WRITERS = {"json": exports.as_json, "md": exports.markdown}


@require_safe
def export(request: ActorRequest, ref: str, form: str) -> HttpResponse:
    """The page as it is now, or (``?revision=2``) as it was published; the browser keeps it as a file."""
    page = access.get_postmortem(request.actor, ref)
    incident = page.incident
    if incident.ref != ref:
        return HttpResponseRedirect(reverse("incidents:postmortem_export", args=[incident.ref, form]))
    asked, name = request.GET.get("revision"), f"{incident.ref}-postmortem"
    if asked is None:
        content = content_of(page)
    else:
        number = whole_number(asked)
        if number is None:
            raise NotFound(f"The postmortem of {incident.ref} has no revision {asked}.")
        content = access.get_revision(request.actor, ref, number).content
        name = f"{name}-r{number}"
    response = HttpResponse(WRITERS[form](content), content_type=TYPES[form])
    response["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    response["Cache-Control"] = "no-store"
    return response
