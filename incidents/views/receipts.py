"""Requests of monitors that could not be read: what came, why it was set aside, and another try."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import OperationRefused
from accounts.http import Rights, show, whole_number
from accounts.middleware import ActorRequest
from incidents.access import get_receipt
from incidents.models import Receipt
from incidents.operations import replay as replaying

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
    return listing(request)


@require_POST
def replay(request: ActorRequest, pk: int) -> HttpResponse:
    """Read a quarantined receipt again, as it was sent; what came of it is in its incident."""
    receipt = get_receipt(request.actor, pk)
    if request.actor is None:
        raise PermissionDenied
    try:
        answer = replaying.replay(receipt, actor=request.actor)
    except OperationRefused as refusal:
        return listing(request, str(refusal), status=refusal.status)
    refs = [alert["incident"] for alert in answer.alerts if alert["incident"]]
    return HttpResponseRedirect(reverse("incidents:room", args=refs[:1]) if refs else reverse("incidents:receipts"))


def listing(request: ActorRequest, refusal: str = "", *, status: int = 200) -> HttpResponse:
    """The page, with why the last press was refused."""
    found = Receipt.objects.filter(status=Receipt.Status.QUARANTINED).select_related("integration")
    before = whole_number(request.GET.get("before", ""))
    if before is not None:
        found = found.filter(pk__lt=before)
    page = list(found[: PAGE + 1])
    rows = [Row(r, bytes(r.body[:SHOWN]).decode("utf-8", "replace"), len(r.body)) for r in page[:PAGE]]
    older = page[PAGE - 1].pk if len(page) > PAGE else None
    context = {"rows": rows, "older": older, "may": Rights(request.actor), "tab": "receipts", "refusal": refusal}
    return show(request, "settings/receipts.html", context, status=status)
