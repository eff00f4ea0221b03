"""What every page shows around its content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.views.preferences import DENSITIES, KEYS, THEMES
from incidents.models import Incident, Severity
from rollouts.operations import practice


@dataclass(frozen=True, slots=True)
class Place:
    """One room of the house, as the navigation shows it."""

    section: str
    word: str
    url: str
    icon: str
    key: str = ""  # after g; the help and the keyboard read it from the same link
    more: bool = True
    here: bool = False


PLACES = [
    Place("live", "Live", "/live", "n-live", "l", more=False),
    Place("incidents", "Incidents", "/incidents/", "n-incidents", "i"),
    Place("fleet", "Fleet", "/fleet/", "n-fleet", "f"),
    Place("bundles", "Bundles", "/bundles/", "n-bundles", "b"),
    Place("oncall", "On-call", "/oncall/", "n-oncall", "o", more=False),
    Place("review", "Review", "/review/", "n-review", "q"),
    Place("audit", "Audit", "/audit/", "n-audit", "a"),
    Place("settings", "Settings", "/settings/", "n-settings", "s"),
]
SECTIONS = {"i": "incidents", "practice": "settings", "receipts": "settings", "connect": "settings", "runs": "fleet"}


def section_of(path: str) -> str:
    """Which room a path belongs to: ``/i/INC-7/`` is in ``incidents``."""
    first, _, rest = path.strip("/").partition("/")
    if first == "runs" and rest.isdecimal():  # an eval run, not an agent's
        return "bundles"
    return SECTIONS.get(first, first)


def place_of(request: HttpRequest) -> str:
    """Where the line about the worst open incident would only repeat the page: ``live``, or a room's reference."""
    if request.path == "/major/":
        return request.GET.get("at", "")[:20]
    first, _, rest = request.path.strip("/").partition("/")
    return rest.partition("/")[0] if first == "i" else first


def chosen(request: HttpRequest, name: str, known: dict[str, str]) -> str:
    """The cookie's value when it is one of ``known``, else the first of them."""
    value = request.COOKIES.get(name, "")
    return value if value in known else next(iter(known))


def open_major() -> list[Incident]:
    """Open SEV1 and SEV2 incidents, worst first, drills left out; at most three."""
    return list(
        Incident.objects.open()
        .filter(severity__in=[Severity.SEV1, Severity.SEV2])
        .exclude(kind=Incident.Kind.DRILL)
        .order_by("severity", "opened_at")
        .only("ref", "title", "severity", "kind", "step", "status", "acknowledged_at", "contained_at")[:3]
    )


def chrome(request: HttpRequest) -> dict[str, Any]:
    """The frame of every page. What costs a query is asked at most once, and only when the template shows it."""
    signed_in = getattr(request, "user", None) is not None and request.user.is_authenticated
    major: Callable[[], list[Incident]] = cache(open_major) if signed_in else list
    section = section_of(request.path)
    return {
        "theme": chosen(request, "theme", THEMES),
        "themes": list(THEMES.items()),
        "density": chosen(request, "density", DENSITIES),
        "densities": list(DENSITIES.items()),
        "single_keys": chosen(request, "keys", KEYS),
        "section": section,
        "nav": [replace(p, here=p.section == section) for p in PLACES],
        "major": major,
        "major_place": place_of(request),
        "practice": SimpleLazyObject(practice.status) if signed_in else None,
        "practice_offer": SimpleLazyObject(practice.may_start) if signed_in and request.user.is_staff else False,
    }
