"""Where every incident is born: number, first entry, what is owed, and who is woken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts import clock
from accounts.actors import Actor
from incidents.models import DetectionSource, Incident, Owed, Severity, TimelineEntry
from incidents.operations import paging, timeline
from rollouts.models import Deployment


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

    ``header`` has the members of R001 that were sent; ``owed`` is (kind, text) of what the record still lacks.
    """
    at = at or clock.now()
    incident = Incident.objects.create(
        ref=next_ref(),
        title=title[:300],
        severity=severity,
        deployment=deployment,
        detection_source=detection_source,
        started_at=started_at,
        opened_at=at,
        **{f"header_{name}": value for name, value in (header or {}).items()},
    )
    Owed.objects.bulk_create(
        [Owed(incident=incident, kind=owed_kind, text=owed_text, since=at) for owed_kind, owed_text in owed]
    )
    timeline.append(incident, kind, text or f"Opened: {incident.title}", actor=actor, at=at, ping=("board",))
    paging.page(incident, actor=actor, reason="opened", at=at)
    return incident


def next_ref(prefix: str = "INC") -> str:
    """The next reference, such as ``INC-7``; numbers are never used twice, a refused opening may leave a gap."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s)", [f"incidents_{prefix.lower()}_number"])
        return f"{prefix}-{cursor.fetchone()[0]}"
