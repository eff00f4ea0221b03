"""The record of an incident: appended to, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from accounts import chain, clock
from accounts.actors import Actor
from accounts.models import acted_by
from incidents.models import Incident, TimelineEntry

#: NOTIFY channel; the payload is ``<ref> <region> [<region> …]``: what open pages should fetch again.
CHANNEL = "lastgood_incident"


def lock(incident: Incident) -> Incident:
    """The incident's present row, locked until the transaction ends; whoever appends holds it."""
    return Incident.objects.select_for_update(of=("self",)).get(pk=incident.pk)


def append(
    incident: Incident,
    kind: str,
    text: str,
    *,
    actor: Actor,
    at: datetime | None = None,
    data: dict[str, Any] | None = None,
    is_key: bool = True,
    source: str = "",
    corrects: TimelineEntry | None = None,
    ping: Iterable[str] = (),
) -> TimelineEntry:
    """Append one entry to a locked ``incident`` (see :func:`lock`) and ping its open pages at commit.

    ``at`` is when it happened; ``source`` such as ``rollback:12`` may stand once per incident; ``ping`` names
    further regions of the room that changed.
    """
    recorded_at = clock.now()
    entry = TimelineEntry(
        incident=incident,
        sequence=incident.last_sequence + 1,
        at=at or recorded_at,
        recorded_at=recorded_at,
        kind=kind,
        text=text,
        data=data or {},
        is_key=is_key,
        source=source,
        corrects=corrects,
        previous_digest=incident.last_digest or chain.GENESIS,
        **acted_by(actor),
    )
    entry.digest = digest(entry)
    entry.save(force_insert=True)
    incident.last_sequence, incident.last_digest = entry.sequence, entry.digest
    incident.save(update_fields=["last_sequence", "last_digest"])
    notify(incident.ref, "timeline", "header", *ping)
    return entry


def notify(ref: str, *regions: str) -> None:
    """Tell open pages, at commit, which regions of ``ref`` changed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, " ".join([ref, *dict.fromkeys(regions)])])


def digest(entry: TimelineEntry) -> str:
    """What ``entry.digest`` must be."""
    return chain.link(
        entry.previous_digest,
        {
            "incident": entry.incident_id,
            "sequence": entry.sequence,
            "at": entry.at,
            "recorded_at": entry.recorded_at,
            "kind": entry.kind,
            "text": entry.text,
            "data": entry.data,
            "is_key": entry.is_key,
            "source": entry.source,
            "corrects": entry.corrects_id,
            "actor": [entry.actor_kind, entry.actor_label, entry.user_id, entry.surface],
        },
    )


def first_broken(incident: Incident) -> int | None:
    """The sequence number of the first entry that does not fit the chain; None when the record is whole."""
    previous, expected = chain.GENESIS, 1
    for entry in incident.timeline.order_by("sequence").iterator():
        if entry.sequence != expected or entry.previous_digest != previous or entry.digest != digest(entry):
            return expected
        previous, expected = entry.digest, expected + 1
    return None if previous == (incident.last_digest or chain.GENESIS) else expected
