"""Keeping invocations: which bundle they were, whether their arguments fit, written once each in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import FilteredRelation, Q

from accounts import clock
from rollouts.models import Bundle
from rollouts.telemetry import partitions, runs, schemas
from rollouts.telemetry.bounded import masked
from rollouts.telemetry.reading import mapping
from rollouts.telemetry.semantics import InvocationRow

#: column → type, of everything an InvocationRow holds.
COLUMNS = {
    "day": "date",
    "at": "timestamptz",
    "duration_ms": "double precision",
    "trace_id": "text",
    "span_id": "text",
    "parent_span_id": "text",
    "name": "text",
    "operation": "text",
    "bundle_key": "text",
    "version_number": "integer",
    "version_label": "text",
    "environment": "text",
    "instance": "text",
    "region": "text",
    "conversation_id": "text",
    "provider": "text",
    "request_model": "text",
    "response_model": "text",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "cache_read_tokens": "bigint",
    "cost_usd": "numeric",
    "finish_reasons": "text[]",
    "error_type": "text",
    "error_message": "text",
    "failed": "boolean",
    "tool_name": "text",
    "tool_succeeded": "boolean",
    "refused": "boolean",
    "schema_valid": "boolean",
    "evaluations": "jsonb",
    "attributes": "jsonb",
}
_NAMES = ", ".join(COLUMNS)
_TYPES = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
INSERT = f"""
INSERT INTO rollouts_invocation ({_NAMES}, received_at)
SELECT {_NAMES}, %s FROM jsonb_to_recordset(%s::jsonb) AS told({_TYPES})
ON CONFLICT (day, trace_id, span_id) DO NOTHING
"""  # noqa: S608 (names are ours)
#: What folding a run takes of a row that is adopted.
FOLDED = [name for name in COLUMNS if name not in {"attributes", "provider", "cost_usd"} and "tokens" not in name]
ADOPT = f"""
UPDATE rollouts_invocation AS orphan SET bundle_key = told.bundle_key, version_number = told.version_number,
    version_label = told.version_label, environment = coalesce(nullif(orphan.environment, ''), told.environment)
FROM jsonb_to_recordset(%s::jsonb) AS told(day date, trace_id text, bundle_key text, version_number integer,
    version_label text, environment text)
WHERE orphan.day = told.day AND orphan.day = ANY(%s) AND orphan.trace_id = told.trace_id AND orphan.bundle_key = ''
RETURNING {", ".join(f"orphan.{name}" for name in FOLDED)}
"""  # noqa: S608 (names are ours)


@dataclass(frozen=True, slots=True)
class Stored:
    """``stored``: rows that were new; ``known``: rows we had already, which changes nothing."""

    stored: int
    known: int


def refusal_of_time(row: InvocationRow, at: datetime) -> str | None:
    """Why a span of that time is not kept; None when it is."""
    if row.at > at + partitions.AHEAD:
        return f"a span begins at {row.at:%Y-%m-%d %H:%M} UTC, more than a day after now: check the sender's clock"
    oldest = partitions.oldest_kept(at)
    if row.day < oldest:
        return f"a span begins at {row.at:%Y-%m-%d %H:%M} UTC; spans are kept from {oldest:%Y-%m-%d} on"
    return None


@transaction.atomic
def store(rows: Sequence[InvocationRow], *, at: datetime | None = None) -> Stored:
    """Write ``rows``, each once however often it is sent, and the runs they are part of.

    The rows' times must have passed :func:`refusal_of_time`. Rows that were known already change nothing, so a
    sender may repeat a batch it got no answer to.
    """
    at = at or clock.now()
    if not rows:
        return Stored(0, 0)
    unique = {(row.day, row.trace_id, row.span_id): row for row in reversed(rows)}
    rows = [unique[key] for key in sorted(unique)]
    inherit(rows)
    resolve(rows)
    partitions.ensure_partitions({row.day for row in rows})
    told = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [at, msgspec.json.encode(told).decode()])
        stored = cursor.rowcount
    runs.merge([*rows, *adopt(rows)])
    return Stored(stored, len(unique) - stored)


def inherit(rows: Sequence[InvocationRow]) -> None:
    """Give each row that names no bundle the one of its nearest ancestor, else the only one of its trace.

    Looks in the batch first, then, in one query, among the runs that earlier batches told of.
    """
    by_trace: dict[str, list[InvocationRow]] = defaultdict(list)
    for row in rows:
        by_trace[row.trace_id].append(row)
    orphans = [row for row in rows if not row.bundle_key and not row.flags]
    if not orphans:
        return
    left = []
    for orphan in orphans:
        family = by_trace[orphan.trace_id]
        heir = _ancestor(orphan, family) or _only([row for row in family if row.bundle_key])
        if heir is None:
            left.append(orphan)
        else:
            _take(orphan, heir.bundle_key, heir.version_number, heir.version_label, heir.environment)
    if left:
        _inherit_from_runs(left)


def _ancestor(orphan: InvocationRow, family: Iterable[InvocationRow]) -> InvocationRow | None:
    by_span = {row.span_id: row for row in family}
    seen: set[str] = set()
    current = by_span.get(orphan.parent_span_id)
    while current is not None and current.span_id not in seen:
        if current.bundle_key:
            return current
        seen.add(current.span_id)
        current = by_span.get(current.parent_span_id)
    return None


def _only(named: Sequence[InvocationRow]) -> InvocationRow | None:
    return named[0] if len({row.bundle_key for row in named}) == 1 else None


def _take(row: InvocationRow, key: str, number: int | None, label: str, environment: str) -> None:
    row.bundle_key, row.version_number, row.version_label = key, number, label
    row.environment = row.environment or environment


def _inherit_from_runs(orphans: Sequence[InvocationRow]) -> None:
    days = sorted({row.day + timedelta(days=shift) for row in orphans for shift in (-1, 0)})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT trace_id, min(bundle_key), min(version_number), min(version_label), min(environment)"
            " FROM rollouts_agentrun WHERE day = ANY(%s) AND trace_id = ANY(%s)"
            " GROUP BY trace_id HAVING count(DISTINCT bundle_key) = 1",
            [days, sorted({row.trace_id for row in orphans})],
        )
        known = {trace: found for trace, *found in cursor.fetchall()}
    for row in orphans:
        if row.trace_id in known:
            key, number, label, environment = known[row.trace_id]
            _take(row, key, number, label, environment)


def resolve(rows: Sequence[InvocationRow]) -> None:
    """Fill in number or label where only one was told, believe flags that name a bundle we hold, check arguments."""
    pairs = [(row.bundle_key, row.version_label) for row in rows] + [flag for row in rows for flag in row.flags]
    keys = {key for key, _ in pairs if key}
    if not keys:
        return
    numbers = {row.version_number for row in rows if row.version_number is not None}
    numbers |= {int(said) for _, said in pairs if said.isascii() and said.isdecimal() and len(said) < 10}
    labels = {said for _, said in pairs if said}
    named = Q(versions__number__in=numbers) | Q(versions__label__in=labels)
    found = (
        Bundle.objects.filter(key__in=keys)
        .annotate(told=FilteredRelation("versions", condition=named))
        .values_list("key", "told__number", "told__label", "told__digest")
    )
    bundles: set[str] = set()
    versions: dict[tuple[str, int | str], tuple[int, str, str]] = {}
    for key, number, label, digest in found:
        bundles.add(key)
        if number is not None:
            versions[key, number] = versions[key, label] = (number, label, digest)
    digests: dict[int, str] = {}
    for row in rows:
        if not row.bundle_key:
            _believe_flag(row, bundles)
        told = row.version_label or row.version_number
        version = versions.get((row.bundle_key, told)) if told is not None else None
        if version is not None and row.version_number in {None, version[0]}:
            row.version_number, row.version_label, digests[id(row)] = version
    check_arguments(rows, digests)


def _believe_flag(row: InvocationRow, bundles: set[str]) -> None:
    for key, told in row.flags:
        if key in bundles:
            row.bundle_key = key
            if told.isascii() and told.isdecimal() and len(told) < 10:
                row.version_number = int(told)
            else:
                row.version_label = told
            return


def check_arguments(rows: Sequence[InvocationRow], digests: dict[int, str]) -> None:
    """Hold tool arguments against the bundle's schemas, where no evaluation has said whether they fit."""
    open_rows = [row for row in rows if row.schema_valid is None and row.tool_calls and id(row) in digests]
    if not open_rows:
        return
    validators = schemas.validators_of({digests[id(row)] for row in open_rows})
    for row in open_rows:
        row.schema_valid, why = schemas.judge(validators.get(digests[id(row)], {}), row.tool_calls)
        if row.schema_valid is False:
            row.failed = True
            row.error_type = row.error_type or "schema_invalid"
            row.error_message = row.error_message or masked(why, 300)


def adopt(rows: Sequence[InvocationRow]) -> list[InvocationRow]:
    """Rows of earlier batches that named no bundle and whose trace now has exactly one, with it."""
    by_trace: dict[tuple[Any, str], list[InvocationRow]] = defaultdict(list)
    for row in rows:
        if row.bundle_key:
            by_trace[row.day, row.trace_id].append(row)
    told = [
        {
            "day": heir.day,
            "trace_id": heir.trace_id,
            "bundle_key": heir.bundle_key,
            "version_number": heir.version_number,
            "version_label": heir.version_label,
            "environment": heir.environment,
        }
        for family in by_trace.values()
        if (heir := _only(family)) is not None
    ]
    if not told:
        return []
    with connection.cursor() as cursor:
        cursor.execute(ADOPT, [msgspec.json.encode(told).decode(), sorted({row.day for row in rows})])
        adopted = [InvocationRow(**dict(zip(FOLDED, found, strict=True))) for found in cursor.fetchall()]
    for row in adopted:
        row.evaluations = mapping(row.evaluations)  # a bare cursor gives JSON as text
    return adopted
