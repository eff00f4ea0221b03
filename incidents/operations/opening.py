"""Where every incident is born: number, first entry, what is owed, and who is woken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts import clock
from accounts.actors import Actor
from incidents.models import DetectionSource, Incident, Owed, Severity, TimelineEntry
from incidents.operations import bulk, paging, timeline
from rollouts.models import Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """An incident to be. ``header`` has the members of R001 that were sent; ``owed`` is (kind, text) of what the
    record still lacks; ``kind``, ``text`` and ``data`` make its first timeline entry."""

    actor: Actor
    title: str
    at: datetime
    severity: str = Severity.SEV3
    deployment: Deployment | None = None
    detection_source: str = DetectionSource.ALERT
    kind: str = TimelineEntry.Kind.OPENED
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    owed: tuple[tuple[str, str], ...] = ()
    started_at: datetime | None = None
    repeat_of_id: int | None = None

    def first_entry(self, incident: Incident) -> timeline.Draft:
        """The entry a new incident's record begins with."""
        text = self.text or f"Opened: {incident.title}"
        return timeline.Draft(incident, self.kind, text, self.actor, self.at, self.data, ping=("board",))


@transaction.atomic
def open_incident(
    *,
    actor: Actor,
    title: str,
    severity: str = Severity.SEV3,
    deployment: Deployment | None = None,
    detection_source: str = DetectionSource.ALERT,
    kind: str = TimelineEntry.Kind.OPENED,
    text: str = "",
    header: Mapping[str, Any] | None = None,
    owed: Iterable[tuple[str, str]] = (),
    started_at: datetime | None = None,
    at: datetime | None = None,
) -> Incident:
    """A new incident with its first timeline entry (``kind``, ``text``), and pages for SEV1 and SEV2.

    Whoever opens one only if none is open calls ``grouping.lock_deployment`` first, before locking any incident.
    """
    birth = Birth(
        actor=actor,
        title=title,
        at=at or clock.now(),
        severity=severity,
        deployment=deployment,
        detection_source=detection_source,
        kind=kind,
        text=text,
        header=header or {},
        owed=tuple(owed),
        started_at=started_at,
    )
    (incident,) = open_many([birth])
    timeline.append_many([birth.first_entry(incident)])
    return incident


def open_many(births: Sequence[Birth]) -> list[Incident]:
    """New incidents with what is owed and who is woken, set-based; the caller appends each ``first_entry``."""
    incidents = [
        Incident(
            pk=pk,
            ref=f"INC-{number}",
            title=birth.title[:300],
            severity=birth.severity,
            deployment=birth.deployment,
            detection_source=birth.detection_source,
            repeat_of_id=birth.repeat_of_id,
            started_at=birth.started_at,
            opened_at=birth.at,
            **{f"header_{name}": value for name, value in birth.header.items()},
        )
        for birth, (pk, number) in zip(births, _numbers(len(births)), strict=True)
    ]
    bulk.insert(incidents)
    bulk.insert(
        [
            Owed(incident=incident, kind=kind, text=text[:300], since=birth.at)
            for birth, incident in zip(births, incidents, strict=True)
            for kind, text in birth.owed
        ]
    )
    paging.page_many(
        paging.Waking(incident, birth.actor, "opened", birth.at)
        for birth, incident in zip(births, incidents, strict=True)
    )
    return incidents


def _numbers(count: int) -> list[tuple[int, int]]:
    """As many (primary key, number of the reference); numbers never come twice, a refused opening leaves a gap."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('incidents_incident', 'id')), nextval('incidents_inc_number')"
            " FROM generate_series(1, %s)",
            [count],
        )
        return [(pk, number) for pk, number in cursor.fetchall()]
