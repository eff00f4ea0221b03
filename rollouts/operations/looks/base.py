"""What looking at a leg finds, and the runs of a version as stored telemetry tells them."""

# ruff: noqa: S608 (what is put into the statements are names of this file)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from rollouts.models import Activation, Rollback, RollbackLeg

#: Telemetry of that many days is looked at where a version has been live for longer.
LONGEST = timedelta(days=90)
WITHIN = (
    "bundle_key = %(key)s AND environment = ANY(%(environments)s) AND day BETWEEN %(first_day)s AND %(last_day)s"
    " AND at >= %(since)s AND at <= %(until)s"
)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was counted or forecast; ``source`` says where the number comes from."""

    kind: str
    text: str
    count: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """``nothing_to_do``: the last thing found shows that this leg is done. ``changed``: a later look found more."""

    found: Sequence[Found] = ()
    nothing_to_do: bool = False
    changed: bool = False
    again_at: datetime | None = None


def live_since(rollback: Rollback) -> datetime:
    """When the oldest of what was taken back went live here for the last time before the flip."""
    first = (
        Activation.objects.filter(
            deployment=rollback.deployment_id,
            version__number__in=taken(rollback),
            version__bundle=rollback.deployment.bundle_id,
            pk__lt=rollback.activation_id,
        )
        .order_by("version_id", "-pk")
        .distinct("version_id")
        .values_list("at", flat=True)
    )
    return max(min(first, default=rollback.flipped_at), rollback.flipped_at - LONGEST)


def taken(rollback: Rollback) -> list[int]:
    """The numbers of all versions this rollback took back, the one rolled back from among them."""
    return rollback.taken or [rollback.from_version.number]


def within(leg: RollbackLeg, since: datetime, until: datetime, **more: Any) -> dict[str, Any]:
    """Parameters of ``WITHIN``. Spans that name no environment count as prod."""
    deployment = leg.rollback.deployment
    environment = deployment.environment_id
    return {
        "key": deployment.bundle.key,
        "environments": [environment, *([""] if environment == "prod" else [])],
        "first_day": since.date(),
        "last_day": until.date(),
        "since": since,
        "until": until,
        **more,
    }


def rows(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def runs_of(leg: RollbackLeg, numbers: Sequence[int], since: datetime, until: datetime) -> tuple[int, int]:
    """(runs, failed runs) that versions ``numbers`` answered."""
    statement = f"""SELECT count(*), count(*) FILTER (WHERE failed) FROM rollouts_agentrun
        WHERE {WITHIN} AND version_number = ANY(%(numbers)s)"""
    ((total, failed),) = rows(statement, within(leg, since, until, numbers=list(numbers)))
    return int(total), int(failed)
