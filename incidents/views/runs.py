"""One run of an agent, call by call: the evidence behind every number of triage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from incidents.access import get_room
from incidents.secrets import shown
from rollouts.models import Invocation
from rollouts.telemetry.questions import spans_of

DEEPEST = 6  # indentation stops here, the order goes on


@dataclass(frozen=True, slots=True)
class Line:
    """One span with its place in the tree and, in percent of the whole run, on the bar."""

    span: Invocation
    depth: int
    start: str
    width: str
    attributes: list[tuple[str, Any]]


@require_safe
def run(request: ActorRequest, ref: str, day: str, trace_id: str) -> HttpResponse:
    """Every call of one trace, in the order they began."""
    incident = get_room(request.actor, ref)
    may = Rights(request.actor, incident.deployment)
    context = {"incident": incident, "trace_id": trace_id, "spans": lines(found(day, trace_id)), "may": may}
    return show(request, "incidents/run.html", context)


@require_safe
def run_alone(request: ActorRequest, day: str, trace_id: str) -> HttpResponse:
    """The same outside any room."""
    return show(request, "incidents/run.html", {"trace_id": trace_id, "spans": lines(found(day, trace_id))})


def found(day: str, trace_id: str) -> list[Invocation]:
    """The spans of a trace; 404 when there are none."""
    try:
        spans = spans_of(date.fromisoformat(day), trace_id)
    except ValueError:
        raise Http404 from None
    if not spans:
        raise Http404
    return spans


def lines(spans: list[Invocation]) -> list[Line]:
    """Spans with depth and bar."""
    began = min(span.at for span in spans)
    ended = max(span.at + timedelta(milliseconds=span.duration_ms or 0) for span in spans)
    whole = max((ended - began).total_seconds(), 0.001)
    depths: dict[str, int] = {}
    found = []
    for span in spans:
        depth = min(depths.get(span.parent_span_id, -1) + 1, DEEPEST)
        depths[span.span_id] = depth
        start = (span.at - began).total_seconds() / whole * 100
        width = max((span.duration_ms or 0) / 1000 / whole * 100, 0.6)
        attributes = sorted((str(name), shown(str(name), value)) for name, value in dict(span.attributes).items())
        found.append(Line(span, depth, f"{start:.1f}", f"{min(width, 100 - start):.1f}", attributes))
    return found
