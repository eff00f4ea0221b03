"""Settings › Notifications: where notices go, whether they arrive, and what could not be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import NotFound, OperationRefused
from accounts.http import show
from accounts.middleware import ActorRequest
from incidents.forms import ChangeDestinationForm, DestinationForm, errors_first
from incidents.models import Destination, Notice, Page, SendAttempt
from incidents.notifications.events import EVENTS
from incidents.operations import destinations as places
from incidents.operations import notices
from incidents.views.frame_of_settings import acting, common

SHOWN = 50
TEMPLATE = "settings/notifications.html"
ROWS: dict[str, type[Notice] | type[Page]] = {"notice": Notice, "page": Page}


@dataclass(frozen=True, slots=True)
class Place:
    """A destination and how it does; ``words`` are the events it hears of, empty for all."""

    row: Destination
    words: list[str]
    sent_at: Any
    waiting: int
    set_aside: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that has not left: waiting for its next try, or set aside."""

    kind: str
    row: Notice | Page
    to: str
    ref: str


@require_safe
def notifications(request: ActorRequest) -> HttpResponse:
    """Destinations, what has not left, and the newest tries."""
    return page(request, DestinationForm())


@require_POST
def add(request: ActorRequest) -> HttpResponse:
    """A new destination; a webhook's secret is shown once, on the answer to this press."""
    form = DestinationForm(request.POST)
    if form.is_valid():
        try:
            made, secret = places.create(actor=acting(request), **form.cleaned_data)
        except OperationRefused as refusal:
            if refusal.status == 403:
                raise
            form.add_error(None, str(refusal))
        else:
            return page(request, DestinationForm(), made=made, secret=secret)
    return page(request, form, status=422)


@require_http_methods(["GET", "HEAD", "POST"])
def destination(request: ActorRequest, pk: int) -> HttpResponse:
    """Change what one destination hears of."""
    found = get_object_or_404(Destination, pk=pk)
    form = ChangeDestinationForm(request.POST or None, initial=ChangeDestinationForm.values(found))
    if request.method == "POST" and form.is_valid():
        try:
            places.change(found, actor=acting(request), **form.cleaned_data)
        except OperationRefused as refusal:
            if refusal.status == 403:
                raise
            form.add_error(None, str(refusal))
        else:
            return HttpResponseRedirect(reverse("incidents:notifications"))
    context = {"destination": found, "tab": "notifications"} | errors_first(form) | common(request)
    return show(request, "settings/destination.html", context, status=422 if form.errors else 200)


@require_POST
def test(request: ActorRequest, pk: int) -> HttpResponse:
    """Really send a test, and show the real answer."""
    found = get_object_or_404(Destination, pk=pk)
    return page(request, DestinationForm(), tested=found, trial=places.test(found, actor=acting(request)))


@require_POST
def rotate(request: ActorRequest, pk: int) -> HttpResponse:
    """A new secret, shown once."""
    found = get_object_or_404(Destination, pk=pk)
    return page(request, DestinationForm(), made=found, secret=places.rotate(found, actor=acting(request)))


@require_POST
def disable(request: ActorRequest, pk: int) -> HttpResponse:
    """Send nothing there any more."""
    places.disable(get_object_or_404(Destination, pk=pk), actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:notifications"))


@require_POST
def retry(request: ActorRequest, kind: str, pk: int) -> HttpResponse:
    """Send one message again."""
    row = ROWS[kind].objects.filter(pk=pk).first() if kind in ROWS else None
    if row is None:
        raise NotFound("That message is gone.")
    notices.retry(row, actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:notifications"))


# -- the page --------------------------------------------------------------------------------------------------------
def page(request: ActorRequest, form: DestinationForm, status: int = 200, **more: Any) -> HttpResponse:
    """The tab, with the form as it was filled in and the answer to the last press."""
    found = list(Destination.objects.select_related("team").order_by("disabled_at", "name", "pk")[:200])
    names = {f"destination:{row.pk}": row.name for row in found}
    context = {
        "places": [*rows(found)],
        "failures": failures(names),
        "tries": tries(names),
        "tab": "notifications",
    }
    return show(request, TEMPLATE, context | errors_first(form) | common(request) | more, status=status)


def rows(found: list[Destination]) -> list[Place]:
    """The destinations with what came of their notices, in one query more."""
    still = Q(done_at=None)
    counts = (
        Notice.objects.filter(destination__in=[f"destination:{row.pk}" for row in found])
        .values("destination")
        .annotate(
            sent_at=Max("done_at"),
            waiting=Count("pk", filter=still & Q(given_up_at=None)),
            set_aside=Count("pk", filter=still & Q(given_up_at__isnull=False)),
        )
    )
    of = {row["destination"]: row for row in counts}
    nothing = {"sent_at": None, "waiting": 0, "set_aside": 0}
    each = [(row, of.get(f"destination:{row.pk}", nothing)) for row in found]
    return [
        Place(row, [EVENTS[kind] for kind in row.events], said["sent_at"], said["waiting"], said["set_aside"])
        for row, said in each
    ]


def failures(names: dict[str, str]) -> list[Failure]:
    """What failed at least once and has not left, newest first; pages before notices."""
    failed = (Q(given_up_at__isnull=False) | Q(attempts__gt=0)) & Q(done_at=None) & ~Q(error="")
    pages = Page.objects.filter(failed).select_related("incident", "user").order_by("-pk")[:SHOWN]
    others = Notice.objects.filter(failed).select_related("entry__incident").order_by("-pk")[:SHOWN]
    return [
        *(Failure("page", row, row.user.display_name, row.incident.ref) for row in pages),
        *(Failure("notice", row, called(row, names), row.entry.incident.ref) for row in others),
    ]


def tries(names: dict[str, str]) -> list[dict[str, Any]]:
    """The newest tries, whatever came of them."""
    found = SendAttempt.objects.select_related("notice__entry__incident", "page__incident", "page__user")[:SHOWN]
    return [
        {
            "try": row,
            "to": called(row.notice, names) if row.notice else row.page.user.display_name if row.page else "",
            "ref": (row.notice.entry.incident if row.notice else row.page.incident if row.page else None),
        }
        for row in found
    ]


def called(row: Notice, names: dict[str, str]) -> str:
    """Where a notice goes, as people know it."""
    return names.get(row.destination) or row.destination.partition(":")[2]
