"""The timeline as a page shows it: key entries first, everything on request, older ones on request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from accounts.http import whole_number
from incidents.models import TimelineEntry
from incidents.views.visit import Visit, panel_url

PAGE = 60
LATE = timedelta(minutes=2)  # written so long after it happened that the reader should know


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as shown. ``new_day``: the first of its day on this page."""

    entry: TimelineEntry
    new_day: bool
    late: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page of the record, newest first."""

    lines: list[Line]
    shown: str
    url: str
    views: list[tuple[str, str, str]]
    older: str
    newest: str


def timeline(visit: Visit) -> dict[str, Any]:
    """The newest entries, or those before ``?before=<sequence>``; ``?timeline=all`` adds machine detail."""
    asked = visit.request.GET
    shown = "all" if asked.get("timeline") == "all" else "key"
    before = whole_number(asked.get("before", ""))
    entries = visit.incident.timeline.all()
    if shown == "key":
        entries = entries.filter(is_key=True)
    if before is not None:
        entries = entries.filter(sequence__lt=before)
    found = list(entries.defer("data", "digest", "previous_digest")[: PAGE + 1])
    path = panel_url(visit.incident, visit.panel)

    def link(**values: object) -> str:
        kept = {name: value for name, value in values.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path

    view = "all" if shown == "all" else ""
    older = link(timeline=view, before=found[PAGE - 1].sequence) if len(found) > PAGE else ""
    return {
        "timeline": Timeline(
            lines(found[:PAGE], visit.at),
            shown,
            link(timeline=view, before=before),
            [("key", "Key", link()), ("all", "All", link(timeline="all"))],
            older,
            link(timeline=view) if before else "",
        )
    }


def lines(entries: list[TimelineEntry], at: datetime) -> list[Line]:
    """Entries with what their neighbours and the present day make of them."""
    day = at.astimezone(UTC).date()
    found = []
    for entry in entries:
        its_day = entry.at.astimezone(UTC).date()
        found.append(Line(entry, its_day != day, entry.recorded_at - entry.at > LATE))
        day = its_day
    return found
