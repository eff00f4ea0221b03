"""Cohorts of the conversations that a rollback left behind, and how many are in each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from accounts.errors import OperationRefused
from rollouts.models import Rollback, TaintedConversation

COHORT = re.compile(r"all|active|idle|(region|conversation):[^\x00-\x1f]{1,200}")
#: Regions that a page offers, those with most conversations first.
REGIONS = 8


@dataclass(frozen=True, slots=True)
class Cohort:
    """So many conversations, and how many of them nobody has chosen anything for."""

    name: str
    says: str
    conversations: int
    untreated: int


def of(rollback: Rollback, cohort: str) -> QuerySet[TaintedConversation]:
    """The conversations of a cohort; refused when nobody knows it."""
    if not COHORT.fullmatch(cohort):
        raise OperationRefused(
            "A cohort is all, active, idle, region:<name> or conversation:<id>.", status=422, details={"cohort": cohort}
        )
    rows = TaintedConversation.objects.filter(rollback=rollback)
    what, _, which = cohort.partition(":")
    if what == "region":
        return rows.filter(region=which)
    if what == "conversation":
        return rows.filter(conversation_id=which)
    return rows if what == "all" else rows.filter(active=what == "active")


def counted(rollback: Rollback) -> list[Cohort]:
    """Every cohort with its counts, from two statements however many conversations there are."""
    rows = TaintedConversation.objects.filter(rollback=rollback)
    open_ones = Q(treatment=None)
    found = rows.aggregate(
        all=Count("pk"),
        all_open=Count("pk", filter=open_ones),
        going_on=Count("pk", filter=Q(active=True)),
        active_open=Count("pk", filter=open_ones & Q(active=True)),
    )
    idle, idle_open = found["all"] - found["going_on"], found["all_open"] - found["active_open"]
    regions = (
        rows.exclude(region="")
        .values("region")
        .annotate(total=Count("pk"), left=Count("pk", filter=open_ones))
        .order_by("-total", "region")[:REGIONS]
    )
    return [
        Cohort("all", "All of them", found["all"], found["all_open"]),
        Cohort("active", "Still going on: a turn within 30 min before the flip, or since", found["going_on"],
               found["active_open"]),
        Cohort("idle", "Quiet for longer", idle, idle_open),
        *(Cohort(f"region:{row['region']}", f"Region {row['region']}", row["total"], row["left"]) for row in regions),
    ]  # fmt: skip
