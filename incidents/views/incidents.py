"""All incidents there ever were, found by what they are and by words; the whole question is in the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from accounts.errors import OperationRefused
from accounts.http import Rights, show, whole_number
from accounts.middleware import ActorRequest
from incidents.access import canonical_ref, incidents_for
from incidents.models import Acknowledgement, Cause, Diagnosis, Incident, Origin, Severity, Status, Step, TimelineEntry
from incidents.models.incident import IncidentQuerySet
from incidents.quarters import Quarter
from incidents.views.board import step_of
from rollouts.models import Agent, Environment

PAGE = 50
WORDS, LONGEST = 6, 200
#: Beyond this many the count is only said to be more.
COUNTED = 1000
SHOWS = {"open": "Open", "all": "All"}
SORTS = {"newest": "Newest first", "oldest": "Oldest first", "severity": "Worst first"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to narrow by: its name in the address, its word, and its values."""

    name: str
    word: str
    values: Mapping[str, str]
    apply: Callable[[str, Any], Q]


def _field(path: str) -> Callable[[str, Any], Q]:
    return lambda value, user: Q(**{path: value})


def _origin(value: str, user: Any) -> Q:
    causes = Cause.objects.live().filter(incident=OuterRef("pk"), origin=value)
    return Q(Exists(causes))


def _mine(value: str, user: Any) -> Q:
    return Q(Exists(Acknowledgement.objects.filter(incident=OuterRef("pk"), user=user)))


def choices() -> list[Choice]:
    """What can be chosen; agents and environments are asked of the database."""
    agents = list(Agent.objects.order_by("slug").values_list("slug", flat=True)[:500])
    environments = list(Environment.objects.values_list("name", flat=True))
    return [
        Choice("severity", "Severity", {level: level for level in Severity.values}, _field("severity")),
        Choice("step", "Step", dict(Step.choices), _field("step")),
        Choice("status", "Status", dict(Status.choices), _field("status")),
        Choice("agent", "Agent", dict(zip(agents, agents, strict=True)), _field("deployment__bundle__agent__slug")),
        Choice(
            "environment",
            "Environment",
            dict(zip(environments, environments, strict=True)),
            _field("deployment__environment"),
        ),
        Choice("kind", "Kind", dict(Incident.Kind.choices), _field("kind")),
        Choice("class", "Class", dict(Diagnosis.choices), _field("diagnosis")),
        Choice("origin", "Origin", dict(Origin.choices), _origin),
        Choice("mine", "Acknowledged", {"1": "by me"}, _mine),
    ]


@dataclass(frozen=True, slots=True)
class Narrowed:
    """One narrowing in force: as it is said, as a condition, and the address without it."""

    name: str
    said: str
    condition: Q
    without: str = ""


@dataclass(frozen=True, slots=True)
class Loosened:
    """How many there would be without one narrowing."""

    said: str
    count: int
    url: str


@dataclass(slots=True)
class Question:
    """What was asked, and the narrowings it comes to; ``problems`` are what could not be understood."""

    asked: dict[str, str]
    narrowed: list[Narrowed]
    problems: list[str]

    @property
    def sort(self) -> str:
        return self.asked.get("sort", "") if self.asked.get("sort") in SORTS else "newest"

    def address(self, **changes: str) -> str:
        """The query with ``changes``; what is empty is left out."""
        return "?" + urlencode({name: value for name, value in (self.asked | changes).items() if value})


def question_of(request: ActorRequest, known: list[Choice]) -> Question:
    """The address as conditions. Unknown values narrow nothing and are said."""
    names = [choice.name for choice in known] + ["q", "quarter", "from", "to", "show", "sort"]
    asked = {name: request.GET.get(name, "").strip()[:LONGEST] for name in names}
    asked = {name: value for name, value in asked.items() if value}
    found = Question(asked, [], [])
    user = request.actor.user if request.actor else None
    if asked.get("show") != "all":
        found.narrowed.append(Narrowed("show", "open ones only", Q(resolved_at=None)))
    for choice in known:
        value = asked.get(choice.name, "")
        if value in choice.values:
            said = f"{choice.word.lower()} {choice.values[value]}"
            found.narrowed.append(Narrowed(choice.name, said, choice.apply(value, user)))
        elif value:
            found.problems.append(f"There is no {choice.word.lower()} “{value[:60]}”.")
            del asked[choice.name]
    _times(found)
    if asked.get("q"):
        found.narrowed.append(Narrowed("q", f"the words “{asked['q']}”", words(asked["q"])))
    found.narrowed = [
        Narrowed(
            each.name, each.said, each.condition, found.address(**{each.name: "all" if each.name == "show" else ""})
        )
        for each in found.narrowed
    ]
    return found


def _times(found: Question) -> None:
    """The quarter, or the days from … to …, both included; both in UTC."""
    asked = found.asked
    if text := asked.get("quarter"):
        try:
            quarter = Quarter.parse(text)
        except OperationRefused as refusal:
            found.problems.append(str(refusal))
        else:
            inside = Q(opened_at__gte=quarter.start, opened_at__lt=quarter.end)
            found.narrowed.append(Narrowed("quarter", f"opened in {quarter}", inside))
    for name, word in (("from", "since"), ("to", "until")):
        if not (text := asked.get(name)):
            continue
        try:
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            edge = Q(opened_at__gte=day) if name == "from" else Q(opened_at__lt=day + timedelta(days=1))
        except (ValueError, OverflowError):
            found.problems.append("Write a day as 2026-11-24.")
        else:
            found.narrowed.append(Narrowed(name, f"opened {word} {day:%Y-%m-%d}", edge))


def words(text: str) -> Q:
    """Each word in the title, the reference, the agent's name, the header or a note somebody wrote."""
    condition = Q()
    for word in text.split()[:WORDS]:
        ref = canonical_ref(word)
        each = Q(title__icontains=word) | Q(deployment__bundle__key__icontains=word) | Q(severity__iexact=word)
        each |= Q(header_reference__icontains=word) | Q(ref__iexact=word)
        if ref is not None:
            each |= Q(ref=ref)
        if plain := "".join(sign if sign.isalnum() else " " for sign in word).split():
            asked = SearchQuery(" & ".join(f"{part}:*" for part in plain), search_type="raw", config="simple")
            notes = TimelineEntry.objects.annotate(words=SearchVector("text", config="simple")).filter(
                incident=OuterRef("pk"), kind=TimelineEntry.Kind.NOTE, words=asked
            )
            each |= Q(Exists(notes))
        condition &= each
    return condition


def asked_for(rows: IncidentQuerySet, narrowed: list[Narrowed]) -> IncidentQuerySet:
    """Those that every narrowing lets through."""
    for each in narrowed:
        rows = rows.filter(each.condition)
    return rows


def after(rows: QuerySet[Incident], sort: str, cursor: str) -> QuerySet[Incident]:
    """What follows the row that ``cursor`` names, in the order ``sort``; a cursor that is none is the beginning."""
    severity, _, number = cursor.rpartition("-")
    pk = whole_number(number)
    if sort == "oldest":
        rows = rows.order_by("pk")
        return rows.filter(pk__gt=pk) if pk is not None else rows
    if sort == "severity":
        rows = rows.order_by("severity", "-pk")
        if pk is None or severity not in Severity.values:
            return rows
        return rows.filter(Q(severity__gt=severity) | Q(severity=severity, pk__lt=pk))
    rows = rows.order_by("-pk")
    return rows.filter(pk__lt=pk) if pk is not None else rows


def loosened(rows: IncidentQuerySet, question: Question) -> list[Loosened]:
    """When nothing is found: which single narrowing keeps how many away, the most first."""
    found = []
    for each in question.narrowed:
        others = [other for other in question.narrowed if other is not each]
        if count := asked_for(rows, others)[: COUNTED + 1].count():
            found.append(Loosened(each.said, count, each.without))
    return sorted(found, key=lambda each: -each.count)


@require_safe
def incident_list(request: ActorRequest) -> HttpResponse:
    """One page of what was asked for, how many there are, and what to loosen when there are none."""
    known = choices()
    question = question_of(request, known)
    rows = incidents_for(request.actor)
    bare: IncidentQuerySet = Incident.objects.all()
    found = asked_for(rows, question.narrowed)
    page = list(after(found, question.sort, request.GET.get("before", "")[:40])[: PAGE + 1])
    total = (
        asked_for(bare, question.narrowed)[: COUNTED + 1].count()
        if len(page) > PAGE or "before" in request.GET
        else len(page)
    )
    last = page[PAGE - 1] if len(page) > PAGE else None
    context = {
        "rows": [(incident, step_of(incident)) for incident in page[:PAGE]],
        "question": question,
        "q": question.asked.get("q", ""),
        "show": question.asked.get("show", "open"),
        "shows": SHOWS.items(),
        "sort": question.sort,
        "sorts": SORTS.items(),
        "choices": [(choice, question.asked.get(choice.name, "")) for choice in known if choice.name != "mine"],
        "mine": question.asked.get("mine", ""),
        "chips": [each for each in question.narrowed if each.name not in {"show", "q"}],
        "total": f"more than {COUNTED}" if total > COUNTED else total,
        "one": total == 1,
        "more": question.address(before=f"{last.severity}-{last.pk}") if last else "",
        "loosened": loosened(bare, question) if not page else [],
        "may": Rights(request.actor),
    }
    return show(request, "incidents/list.html", context, region="found", status=400 if question.problems else 200)
