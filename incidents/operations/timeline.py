"""The record of an incident: appended to, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from accounts import chain, clock
from accounts.actors import Actor
from accounts.models import acted_by
from incidents.models import Incident, TimelineEntry
from incidents.operations import bulk, notices, slack_card

#: NOTIFY channel; the payload is ``<ref> <region> [<region> …]``: what open pages should fetch again.
CHANNEL = "lastgood_incident"


def lock(incident: Incident) -> Incident:
    """The incident's present row, locked until the transaction ends; whoever appends holds it."""
    return Incident.objects.select_for_update(no_key=True, of=("self",)).get(pk=incident.pk)


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
    draft = Draft(incident, kind, text, actor, at, data or {}, is_key, source, corrects, tuple(ping))
    return append_many([draft])[0]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be; the arguments of :func:`append`."""

    incident: Incident
    kind: str
    text: str
    actor: Actor
    at: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)
    is_key: bool = True
    source: str = ""
    corrects: TimelineEntry | None = None
    ping: tuple[str, ...] = ()


def append_many(drafts: Sequence[Draft]) -> list[TimelineEntry]:
    """Append entries to locked incidents, in this order, with a few statements however many they are.

    What destinations are told of them is written beside them. Drafts of one incident share one Incident object: it
    carries the chain from one entry to the next.
    """
    recorded_at = clock.now()
    entries, regions = [], dict[str, list[str]]()
    before = {draft.incident.pk: draft.incident.last_sequence for draft in reversed(drafts)}
    for draft in drafts:
        incident = draft.incident
        entry = TimelineEntry(
            incident=incident,
            sequence=incident.last_sequence + 1,
            at=draft.at or recorded_at,
            recorded_at=recorded_at,
            kind=draft.kind,
            text=draft.text,
            data=draft.data,
            is_key=draft.is_key,
            source=draft.source,
            corrects=draft.corrects,
            previous_digest=incident.last_digest or chain.GENESIS,
            **acted_by(draft.actor),
        )
        entry.digest = digest(entry)
        incident.last_sequence, incident.last_digest = entry.sequence, entry.digest
        entries.append(entry)
        regions.setdefault(incident.ref, ["timeline", "header"]).extend(draft.ping)
    if not entries:
        return []
    bulk.insert(entries)
    notices.fan_out(entries, at=recorded_at)
    ends = list({draft.incident.pk: draft.incident for draft in drafts}.values())
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_incident SET last_sequence = ended.sequence, last_digest = ended.digest"
            " FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS ended (id, sequence, digest)"
            " WHERE incidents_incident.id = ended.id",
            [
                [incident.pk for incident in ends],
                [incident.last_sequence for incident in ends],
                [incident.last_digest for incident in ends],
            ],
        )
        cursor.execute(
            "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload",
            [CHANNEL, [" ".join([ref, *dict.fromkeys(names)]) for ref, names in regions.items()]],
        )
    slack_card.owe(before, ends, at=recorded_at)
    return entries


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
