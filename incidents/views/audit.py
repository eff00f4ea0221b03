"""Who did what, from where: the site's append-only log as a page."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from accounts.http import show, whole_number
from accounts.middleware import ActorRequest
from accounts.models import AuditEntry
from accounts.operations import audit as chain

PAGE = 60


@require_safe
def audit(request: ActorRequest) -> HttpResponse:
    """Newest first, searched by actor, verb, object or reason; ``?verify=1`` checks the whole chain."""
    q = request.GET.get("q", "").strip()[:200]
    found = AuditEntry.objects.select_related("user")
    for word in q.split()[:6]:
        found = found.filter(
            Q(actor_label__icontains=word)
            | Q(verb__icontains=word)
            | Q(subject__icontains=word)
            | Q(reason__icontains=word)
        )
    before = whole_number(request.GET.get("before", ""))
    if before is not None:
        found = found.filter(sequence__lt=before)
    page = list(found[: PAGE + 1])
    context: dict[str, Any] = {"entries": page[:PAGE], "q": q}
    if len(page) > PAGE:
        context["older"] = urlencode({"q": q, "before": page[PAGE - 1].sequence})
    if request.GET.get("verify"):
        newest = AuditEntry.objects.values_list("sequence", flat=True).first() or 0
        context |= {"verified": True, "broken": chain.first_broken(), "newest": newest}
    return show(request, "settings/audit.html", context, region="entries")
