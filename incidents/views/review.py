"""The quarterly review: what repeats, how long it takes, and what was decided about it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import clock
from accounts.errors import NotFound, OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from accounts.words import duration
from incidents import patterns
from incidents import review as reading
from incidents.charts import Bar, Cell, DotRow
from incidents.forms import DecisionForm
from incidents.models import Incident, Review
from incidents.operations import reviews
from incidents.quarters import Quarter
from incidents.views.frame_of_settings import acting

#: Incidents listed at once behind a number; the CSV has all of them.
SHOWN = 100
AXIS_WORDS = {"class": "By class", "layer": "By layer", "variable": "By variable that moved", "origin": "By origin"}


@require_safe
def review(request: ActorRequest) -> HttpResponse:
    """One quarter on one page; ``show`` names the number whose incidents are listed."""
    return page(request, quarter_of(request.GET.get("q", "")))


def quarter_of(text: str) -> Quarter:
    """The quarter asked for; the present one when none is."""
    return Quarter.parse(text) if text else Quarter.of(clock.now())


def page(
    request: ActorRequest, quarter: Quarter, form: DecisionForm | None = None, refusal: str = "", status: int = 200
) -> HttpResponse:
    """The page with the decision form as it was filled in."""
    found = reading.read(quarter, at=clock.now())
    figures = found.figures
    shown = opened(found, request.GET.get("show", ""))
    context = {
        "quarter": quarter,
        "quarter_text": str(quarter),
        "quarters": [str(quarter.shifted(back)) for back in range(-reading.LOOK_BACK, 1)],
        "before": quarter.shifted(-1),
        "after": quarter.shifted(1) if quarter.end <= clock.now() else None,
        "found": found,
        "figures": figures,
        "change": figures.total - figures.previous,
        "shown": shown,
        "incidents": listed(shown) if shown else [],
        "not_listed": max(shown.count - SHOWN, 0) if shown else 0,
        "heat": heat(figures),
        "recurrence": [(AXIS_WORDS[axis], axis, recurring(figures, axis)) for axis in patterns.AXES],
        "steps": steps(figures),
        "captions": captions(figures),
        "form": form or DecisionForm(initial={"pattern": shown.label, "about": request.GET["show"]} if shown else None),
        "refusal": refusal,
        "may": Rights(request.actor),
    }
    return show(request, "incidents/review.html", context, status=status)


def opened(found: reading.Reading, name: str) -> patterns.Pattern | None:
    """The number that was opened; NotFound when this quarter has none of that name."""
    if not name:
        return None
    pattern = found.rollbacks if name == "rollbacks" else found.figures.find(name)
    if pattern is None:
        raise NotFound("This quarter shows no such number. Open one from the page.")
    return pattern


def listed(pattern: patterns.Pattern) -> list[Incident]:
    return list(Incident.objects.for_lists().filter(ref__in=pattern.refs[:SHOWN]))


def link(figures: patterns.Figures, name: str) -> str:
    """Where a number opens its incidents."""
    return f"{reverse('incidents:review')}?q={figures.quarter}&show={name}#shown"


# -- figures ---------------------------------------------------------------------------------------------------------
def heat(figures: patterns.Figures) -> tuple[list[tuple[str, list[Cell | None]]], list[str]]:
    """Class × layer: rows of classes that occurred, all layers as columns."""
    classes = [key for key in patterns.AXES["class"] if any(cell[0] == key for cell in figures.cells)]
    rows = []
    for diagnosis in classes:
        cells: list[Cell | None] = []
        for layer in patterns.LAYERS:
            pattern = figures.cells.get((diagnosis, layer))
            cells.append(Cell(pattern.count, link(figures, pattern.name), pattern.label) if pattern else None)
        rows.append((patterns.AXES["class"][diagnosis], cells))
    return rows, list(patterns.LAYERS.values())


def recurring(figures: patterns.Figures, axis: str) -> list[Bar]:
    return [
        Bar(pattern.label, pattern.count, pattern.earlier, link(figures, pattern.name))
        for pattern in figures.patterns[axis]
    ]


def steps(figures: patterns.Figures) -> list[DotRow]:
    return [
        DotRow(
            times.step,
            [
                (seconds, f"{ref}: {duration(seconds)}", reverse("incidents:room", args=[ref]))
                for seconds, ref in times.seconds
            ],
            times.median,
            times.p90,
        )
        for times in figures.steps
    ]


def captions(figures: patterns.Figures) -> dict[str, str]:
    """What each figure found, as a sentence; small numbers as counts."""
    worst = max(figures.cells.values(), key=lambda pattern: pattern.count, default=None)
    contain = next(times for times in figures.steps if times.step == "Contain")
    said = {
        "heat": f"{worst.label}: {worst.count} of {figures.total}." if worst else "Nothing has been classified.",
        "steps": (
            f"Half of {contain.n} were contained within {duration(contain.median)}."
            if contain.median is not None
            else "Nothing has been contained."
        ),
    }
    for axis, found in figures.patterns.items():
        first = found[0] if found else None
        said[axis] = f"{first.label}: {first.count} of {figures.total}." if first else "Nothing is known on this axis."
    return said


# -- CSV -------------------------------------------------------------------------------------------------------------
@require_safe
def export(request: ActorRequest, figure: str) -> HttpResponse:
    """One figure's numbers as CSV."""
    quarter = quarter_of(request.GET.get("q", ""))
    rows = tables(reading.read(quarter, at=clock.now()), figure)
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{quarter}-{figure}.csv"'
    csv.writer(answer).writerows([harmless(value) for value in row] for row in rows)
    return answer


def harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula: titles come from alerts."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def tables(found: reading.Reading, figure: str) -> Iterable[Sequence[Any]]:
    figures = found.figures
    if figure == "incidents":
        yield ("incident", "title", "severity", "opened_at", "class", "layers", "variables", "origins", "published")
        for record in figures.records:
            yield (
                record.ref,
                record.title,
                record.severity,
                record.opened_at.isoformat(),
                record.diagnosis,
                *(" ".join(sorted(values)) for values in (record.layers, record.variables, record.origins)),
                record.published,
            )
    elif figure == "heatmap":
        yield ("class", "layer", "incidents", "year_before", "refs")
        for (diagnosis, layer), cell in sorted(figures.cells.items()):
            yield (diagnosis, layer, cell.count, cell.earlier, " ".join(cell.refs))
    elif figure == "recurrence":
        yield ("axis", "value", "incidents", "year_before", "refs")
        for axis, rows in figures.patterns.items():
            for row in rows:
                yield (axis, row.key, row.count, row.earlier, " ".join(row.refs))
    elif figure == "steps":
        yield ("step", "incident", "seconds")
        for times in figures.steps:
            for seconds, ref in times.seconds:
                yield (times.step, ref, seconds)
    elif figure == "actions":
        yield ("incident", "action", "owner", "due_on")
        for action in found.late:
            yield (action.postmortem.incident.ref, action.text, str(action.owner or ""), action.due_on)
    else:
        raise NotFound("There is no such figure: incidents, heatmap, recurrence, steps or actions.")


# -- deciding --------------------------------------------------------------------------------------------------------
def here(quarter: str) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('incidents:review')}?q={quarter}#decisions")


@require_POST
def start(request: ActorRequest, quarter: str) -> HttpResponse:
    """Begin the review."""
    return here(reviews.start(quarter, actor=acting(request)).quarter)


@require_POST
def decide(request: ActorRequest, quarter: str) -> HttpResponse:
    """Which standard changed, or why none did."""
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return page(request, Quarter.parse(quarter), form, status=422)
    row = review_of(quarter)
    given = form.cleaned_data
    try:
        about = opened(reading.read(Quarter.parse(quarter), at=clock.now()), given["about"])
    except NotFound as unknown:
        return page(request, Quarter.parse(quarter), form, str(unknown), 422)
    try:
        reviews.decide(
            row,
            actor=acting(request),
            pattern=given["pattern"],
            changed=given["changed"] == "yes",
            standard=given["standard"],
            text=given["text"],
            incident_refs=list(about.refs) if about else [],
        )
    except OperationRefused as refusal:
        return page(request, Quarter.parse(quarter), form, str(refusal), refusal.status)
    return here(quarter)


@require_POST
def close(request: ActorRequest, quarter: str) -> HttpResponse:
    """Freeze the figures."""
    try:
        reviews.close(review_of(quarter), actor=acting(request))
    except OperationRefused as refusal:
        return page(request, Quarter.parse(quarter), refusal=str(refusal), status=refusal.status)
    return here(quarter)


def review_of(quarter: str) -> Review:
    found = Review.objects.filter(quarter=str(Quarter.parse(quarter))).first()
    if found is None:
        raise NotFound(f"Nobody has started the review of {quarter}.")
    return found
