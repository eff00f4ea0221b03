"""A quarter, read from the database in a handful of queries, however many postmortems it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from incidents import patterns
from incidents.models import (
    ActionItem,
    Cause,
    Incident,
    LayerFinding,
    MachineMove,
    MovedVariable,
    PostmortemRevision,
    Review,
)
from incidents.quarters import Quarter
from rollouts.models import Deployment, Rollback, Stop

#: How far back a pattern is looked for, in quarters before the one that is read.
LOOK_BACK = 4
COLUMNS = (
    "ref",
    "title",
    "severity",
    "opened_at",
    "diagnosis",
    "started_at",
    "acknowledged_at",
    "contained_at",
    "resolved_at",
    "documented_at",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything the review page shows of one quarter."""

    figures: patterns.Figures
    late: list[ActionItem]
    rollbacks: patterns.Pattern
    rollback_count: int
    rollback_ms: float | None
    never_stopped: list[Deployment]
    review: Review | None


def read(quarter: Quarter, *, at: datetime) -> Reading:
    """The quarter's figures as they stand at ``at``; drills are practice and count nowhere."""
    practised = MachineMove.objects.filter(kind="rollback", incident__kind=Incident.Kind.DRILL).values("object_id")
    in_quarter = Rollback.objects.filter(flipped_at__gte=quarter.start, flipped_at__lt=quarter.end)
    pressed = dict(in_quarter.exclude(pk__in=practised).values_list("pk", "committed_ms"))
    moves = MachineMove.objects.filter(kind="rollback", object_id__in=pressed, incident__isnull=False)
    refs = moves.order_by("incident").values_list("incident__ref", flat=True).distinct()
    return Reading(
        figures=patterns.figures(quarter, records(quarter)),
        late=list(late_actions(at)),
        rollbacks=patterns.Pattern("rollbacks", "", "Rolled back", tuple(refs)),
        rollback_count=len(pressed),
        rollback_ms=median(pressed.values()) if pressed else None,
        never_stopped=list(
            Deployment.objects.filter(environment="prod", active__isnull=False)
            .exclude(Exists(Stop.objects.filter(kill_switch__deployment=OuterRef("pk"))))
            .select_related("bundle")
            .order_by("bundle__key")
        ),
        review=Review.objects.prefetch_related("decisions__user").filter(quarter=str(quarter)).first(),
    )


def records(quarter: Quarter) -> list[patterns.Record]:
    """The incidents of the quarter and of the year before it, with where they stand on each axis."""
    found = Incident.objects.filter(
        opened_at__gte=quarter.shifted(-LOOK_BACK).start, opened_at__lt=quarter.end
    ).exclude(kind=Incident.Kind.DRILL)
    layers = _sets(
        LayerFinding.objects.filter(
            postmortem__incident__in=found, finding=LayerFinding.Finding.IMPLICATED
        ).values_list("postmortem__incident", "layer")
    )
    variables = _sets(
        MovedVariable.objects.filter(postmortem__incident__in=found, moved=MovedVariable.Moved.MOVED).values_list(
            "postmortem__incident", "variable"
        )
    )
    origins = _sets(Cause.objects.filter(incident__in=found, withdrawn_at=None).values_list("incident", "origin"))
    published = Exists(PostmortemRevision.objects.filter(postmortem__incident=OuterRef("pk")))
    return [
        patterns.Record(
            **dict(zip(COLUMNS, row, strict=True)),
            published=is_published,
            layers=layers[pk],
            variables=variables[pk],
            origins=origins[pk],
        )
        for pk, is_published, *row in found.annotate(is_published=published).values_list("pk", "is_published", *COLUMNS)
    ]


def as_json(found: Reading) -> dict[str, Any]:
    """The reading as plain JSON: what a closed review freezes and the API answers."""
    return patterns.as_json(found.figures) | {
        "rollbacks": {
            "count": found.rollback_count,
            "median_ms": found.rollback_ms,
            "incidents": list(found.rollbacks.refs),
        },
        "stops_never_measured": [str(deployment) for deployment in found.never_stopped],
        "actions_late": [
            {"incident": action.postmortem.incident.ref, "action": action.text, "due_on": str(action.due_on)}
            for action in found.late
        ],
    }


def late_actions(at: datetime) -> QuerySet[ActionItem]:
    """Actions that are neither done nor dropped and whose day has passed, the most overdue first."""
    return (
        ActionItem.objects.filter(due_on__lt=at.date(), done_at=None, dropped_at=None)
        .select_related("owner", "postmortem__incident")
        .order_by("due_on", "pk")
    )


def _sets(pairs: Iterable[tuple[int, str]]) -> defaultdict[int, frozenset[str]]:
    gathered: defaultdict[int, frozenset[str]] = defaultdict(frozenset)
    for pk, value in pairs:
        gathered[pk] |= {value}
    return gathered
