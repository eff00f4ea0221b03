"""The parts around every page, and the page that shows every part."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
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


COMPONENTS = {
    "actor": "Who did it: a person, automation or an agent.",
    "armed-strip": "The second press of what is wider or less certain, with its effect beside it.",
    "banner": "One line over a page or a panel: what holds for all of it.",
    "button": "Verb and object. One filled button on a screen; red only where it stops harm.",
    "cell": "One instance of a fleet.",
    "chip": "A word that stands for a state, a kind or a choice.",
    "diff": "What moved, by word: struck and underlined, not coloured alone.",
    "drawer": "Secondary matter from the right edge.",
    "empty": "What will appear here, and one thing to do.",
    "error-summary": "What is wrong with a form, each linked to its field. It takes the focus.",
    "field": "A label, a hint, what is wrong, and the input.",
    "gauge": "One number against its limit; a share as a bar.",
    "heatmap": "How often two things come together.",
    "kbd": "A key, where it works.",
    "list-row": "One line of a list; the row with the focus is marked at its edge.",
    "menu": "A few places or acts behind one button.",
    "panel": "A surface for what belongs together, and facts in a quiet grid.",
    "rail": "The five steps of an incident.",
    "severity": "SEV1 to SEV4: a shape and a word.",
    "skeleton": "The place of what is still being fetched.",
    "snippet": "A text to copy; it can be selected where there is no script.",
    "spark": "A series drawn by the server, with its finding, its limit and its table.",
    "status": "Where something stands: a shape beside a word.",
    "table": "Rows on a desk, cards on a phone.",
    "timeline-entry": "One entry of a record, with who and when.",
    "toast": "What just happened, for a few seconds; with Retry it stays.",
}


@require_safe
def styleguide(request: HttpRequest, name: str = "") -> HttpResponse:
    """All components, or one of them in every state in both themes."""
    context: dict[str, Any] = {"components": COMPONENTS.items(), "tab": "styleguide"}
    if name:
        if name not in COMPONENTS:
            raise Http404
        context |= {
            "component": name,
            "sentence": COMPONENTS[name],
            "template": f"styleguide/{name}.html",
            "sides": ["light", "dark"],
        }
        context |= SAMPLES | {"points": points()}
    return show(request, "settings/styleguide.html", context)


SAMPLES: dict[str, Any] = {
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
    "empty": [],
    "heat": [(level, level * 48, level * 48 + 22, count) for level, count in enumerate([0, 1, 2, 3, 5, 7, 9])],
}


def points() -> list[tuple[datetime, float]]:
    """A series that falls below its limit and comes back."""
    start = now() - timedelta(minutes=20)
    values = [0.99, 0.99, 0.985, 0.99, 0.97, 0.91, 0.84, 0.8, 0.79, 0.8, 0.96, 0.99]
    return [(start + timedelta(minutes=2 * i), value) for i, value in enumerate(values)]
