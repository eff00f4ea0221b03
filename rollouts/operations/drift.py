"""Keeping what runs beside what should: each difference one row, however often and by whomever it is seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Sum

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts.body import PARTS, sha256, unstorable
from rollouts.models import BundleVersion, Deployment, Drift

#: A difference that nobody has seen for so long no longer runs.
LATELY = timedelta(hours=24)
#: Over which surprises are counted (R018), and edits outside of the pipeline stay easy to find.
MONTH = timedelta(days=30)
LONGEST = 200  # characters of a name

UPSERT = """
INSERT INTO rollouts_drift AS known (deployment_id, kind, about, declared, seen, unreviewed, first_seen_at,
    last_seen_at, count, source, day, trace_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (deployment_id, kind, about, declared, seen) DO UPDATE SET
    count = known.count + excluded.count,
    first_seen_at = least(known.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
    unreviewed = excluded.unreviewed,
    day = coalesce(excluded.day, known.day),
    trace_id = coalesce(nullif(excluded.trace_id, ''), known.trace_id)
"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A difference as it was seen between two moments, ``count`` times; see :class:`Drift` for what the rest means."""

    kind: Drift.Kind
    declared: str
    seen: str
    first_at: datetime
    last_at: datetime
    count: int
    source: str
    about: str = ""
    unreviewed: bool = False
    day: date | None = None
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One part that somebody sent, beside that of the active version; ``known_as`` is a version that has it."""

    part: str
    same: bool
    declared: str
    seen: str
    known_as: str

    def as_json(self) -> dict[str, Any]:
        return {
            "part": self.part,
            "same": self.same,
            "active_digest": self.declared or None,
            "digest": self.seen,
            "known_as": self.known_as or None,
        }


def note(deployment: Deployment, seen: Iterable[Sighting]) -> None:
    """Add ``seen`` to the rows of ``deployment``; what was known already is counted on."""
    with connection.cursor() as cursor:
        for each in seen:
            if each.declared[:LONGEST] == each.seen[:LONGEST]:
                continue
            cursor.execute(
                UPSERT,
                [
                    deployment.pk, each.kind, each.about[:LONGEST], each.declared[:LONGEST], each.seen[:LONGEST],
                    each.unreviewed, each.first_at, each.last_at, each.count, each.source[:LONGEST], each.day,
                    each.trace_id,
                ],
            )  # fmt: skip


@transaction.atomic
def report(
    deployment: Deployment, parts: Mapping[str, Any], *, actor: Actor, source: str = "", at: datetime | None = None
) -> list[Compared]:
    """Hold what really runs, part by part, against the active version; what differs is kept (R015, R079, R163).

    For what reads a vendor's dashboard, a config map or a running process: none of them asks Lastgood first. A part
    that no version of the bundle has ever had is an edit outside of the pipeline, and is marked unreviewed.
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    compared = compare(deployment, parts)
    different = [each for each in compared if not each.same]
    note(
        deployment,
        (
            Sighting(
                Drift.Kind.CONTENT, each.declared or "none", each.seen, at, at, 1, source or actor.label,
                about=each.part, unreviewed=not each.known_as,
            )
            for each in different
        ),
    )  # fmt: skip
    if different:
        audit.record(
            actor,
            "report drift",
            str(deployment),
            reason=source,
            data={
                "parts": [each.part for each in different],
                "unreviewed": [e.part for e in different if not e.known_as],
            },
            at=at,
        )
    return compared


def compare(deployment: Deployment, parts: Mapping[str, Any]) -> list[Compared]:
    """Part by part, without keeping anything. Refused when there is nothing to compare with."""
    active = deployment.active
    if active is None:
        raise OperationRefused(f"Nothing is active in {deployment}, so there is nothing to compare with.")
    if not parts or not parts.keys() <= {*PARTS}:
        raise OperationRefused(f"Send at least one part, and only {', '.join(PARTS)}.", status=422)
    if odd := next(unstorable(dict(parts)), None):
        raise OperationRefused(f"{odd[0] or 'The body'}: {odd[1]}", status=422)
    digests = {part: sha256(value) for part, value in parts.items()}
    wrong = {part: digest for part, digest in digests.items() if active.part_digests.get(part) != digest}
    known = _known(deployment, wrong)
    return [
        Compared(part, part not in wrong, active.part_digests.get(part, ""), digests[part], known.get(part, ""))
        for part in PARTS
        if part in digests
    ]


def _known(deployment: Deployment, digests: Mapping[str, str]) -> dict[str, str]:
    """part → label of the newest version of the bundle that has it."""
    wanted = Q(pk__in=[])
    for part, digest in digests.items():
        wanted |= Q(part_digests__contains={part: digest})
    rows = BundleVersion.objects.filter(wanted, bundle_id=deployment.bundle_id).order_by("number")
    found: dict[str, str] = {}
    for label, parts in rows.values_list("label", "part_digests"):
        found |= {part: label for part, digest in digests.items() if parts.get(part) == digest}
    return found


def open_in(deployments: Sequence[Deployment], at: datetime) -> dict[int, list[Drift]]:
    """What has been seen lately, and since the last flip, by deployment; one query."""
    rows = Drift.objects.filter(deployment__in=deployments, last_seen_at__gt=at - LATELY).filter(
        Q(deployment__activated_at=None) | Q(last_seen_at__gte=F("deployment__activated_at"))
    )
    found: dict[int, list[Drift]] = {}
    for row in rows.order_by("-unreviewed", "-last_seen_at")[:500]:
        found.setdefault(row.deployment_id, []).append(row)
    return found


def of_last_month(deployments: Sequence[Deployment], at: datetime) -> QuerySet[Drift]:
    """Everything seen in the last 30 days, unreviewed edits first."""
    rows = Drift.objects.filter(deployment__in=deployments, last_seen_at__gt=at - MONTH)
    return rows.select_related("deployment").order_by("-unreviewed", "-last_seen_at", "-pk")


def unreviewed_in_last_month(at: datetime) -> QuerySet[Drift]:
    """Edits outside of the pipeline, of any bundle (R129, R163)."""
    return Drift.objects.filter(unreviewed=True, last_seen_at__gt=at - MONTH)


def surprises(deployments: Sequence[Deployment], at: datetime) -> int:
    """How often an alias was moved by its provider in the last 30 days, with nothing of ours merged (R018)."""
    moved = Drift.objects.filter(deployment__in=deployments, kind=Drift.Kind.ALIAS, last_seen_at__gt=at - MONTH)
    return int(moved.aggregate(times=Sum("count"))["times"] or 0)
