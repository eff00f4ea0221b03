"""The parts around every page, and the page that shows every part."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.clock import now
from accounts.http import show
from accounts.views.preferences import KEYS
from incidents.models import Severity


@require_safe
def major(request: HttpRequest) -> HttpResponse:
    """The lines on top of every page while a SEV1 or SEV2 is open; fetched again when incidents change."""
    return show(request, "components/major.html", {}, fragment=True)


@require_safe
def keys(request: HttpRequest) -> HttpResponse:
    """How this browser shows the pages, and which keys there are."""
    return show(request, "settings/keys.html", {"key_choices": KEYS.items(), "tab": "keys"})


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """Every component in every state, in both themes."""
    start = now() - timedelta(minutes=20)
    values = [0.99, 0.99, 0.985, 0.99, 0.97, 0.91, 0.84, 0.8, 0.79, 0.8, 0.96, 0.99]
    return show(
        request,
        "settings/styleguide.html",
        {
            "sides": ["light", "dark"],
            "severities": list(Severity),
            "states": ["open", "running", "done", "failed", "held", "skipped", "blocked", "little"],
            "fleet": ["in_sync", "behind", "erring", "stopped", "silent"],
            "steps": [
                {"state": "done", "word": "Detect", "time": "02:05"},
                {"state": "skipped", "word": "Triage", "time": "02:11"},
                {"state": "running", "word": "Contain", "time": "", "current": True},
                {"state": "open", "word": "Resolve", "time": ""},
                {"state": "open", "word": "Document", "time": ""},
            ],
            "points": [(start + timedelta(minutes=2 * i), value) for i, value in enumerate(values)],
        },
    )
