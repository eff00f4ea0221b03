"""Requests of monitors that could not be read: what came, why it was set aside, and another try."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST, require_safe

from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from incidents.models import Receipt

PAGE = 50
SHOWN = 4_000  # bytes of a body that are shown


@dataclass(frozen=True, slots=True)
class Row:
    """One receipt and the beginning of its body as text; bytes that are no text are marked."""

    receipt: Receipt
    text: str
    size: int


@require_safe
def receipts(request: ActorRequest) -> HttpResponse:
    """Quarantined receipts, newest first."""
    found = Receipt.objects.filter(status=Receipt.Status.QUARANTINED).select_related("integration")
    before = request.GET.get("before", "")
    if before.isdigit():
        found = found.filter(pk__lt=int(before[:18]))
    page = list(found[: PAGE + 1])
    rows = [Row(r, bytes(r.body[:SHOWN]).decode("utf-8", "replace"), len(r.body)) for r in page[:PAGE]]
    older = page[PAGE - 1].pk if len(page) > PAGE else None
    context = {"rows": rows, "older": older, "may": Rights(request.actor), "tab": "receipts"}
    return show(request, "settings/receipts.html", context)


@require_POST
def replay(request: ActorRequest, pk: int) -> HttpResponse:
    """Read a quarantined receipt again, as it was sent."""
    raise Http404
