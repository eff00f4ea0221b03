"""Receipts, alerts and their links, written and read by the set: the hot path of intake."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import psycopg
from django.db import connection

AlertKey = tuple[int, str]  # integration, dedup key


class AlertRow(NamedTuple):
    """The newest alert of its key, open or closed."""

    id: int
    integration_id: int
    dedup_key: str
    incident_id: int
    firing: bool
    severity_sent: str
    content_digest: str
    title: str
    closed: bool


class ReceiptRow(NamedTuple):
    """A receipt to be."""

    integration_id: int
    received_at: datetime
    body: bytes
    content_type: str
    status: str
    error: str


def insert_receipts(rows: Sequence[ReceiptRow]) -> list[int]:
    """Their ids, in the same order: the sort comes before the numbering.

    Bodies travel as binary parameters, past Django's cursor, which would write them out as hexadecimal text.
    """
    if not rows:
        return []
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            "INSERT INTO incidents_receipt (integration_id, received_at, body, content_type, status, error)"
            " SELECT integration_id, received_at, body, content_type, status, error FROM"
            " unnest(%s::bigint[], %s::timestamptz[], %b::bytea[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY"
            " AS sent (integration_id, received_at, body, content_type, status, error, position)"
            " ORDER BY position RETURNING id",
            [list(column) for column in zip(*rows, strict=True)],
        )
        return sorted(row[0] for row in cursor.fetchall())


def newest_alerts(keys: Iterable[AlertKey]) -> list[AlertRow]:
    """The open alert of each key, else the newest closed one; nothing for keys never seen."""
    asked = list(keys)
    if not asked:
        return []
    columns = (
        "id, integration_id, dedup_key, incident_id, firing, severity_sent, content_digest, title,"
        " closed_at IS NOT NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT alert.* FROM jsonb_array_elements(%s::jsonb) AS asked, LATERAL ("  # noqa: S608 (a constant)
            f"(SELECT {columns} FROM incidents_alert WHERE dedup_key = asked ->> 1"
            " AND integration_id = (asked ->> 0)::bigint AND closed_at IS NULL) UNION ALL"
            f" (SELECT {columns} FROM incidents_alert WHERE dedup_key = asked ->> 1"
            " AND integration_id = (asked ->> 0)::bigint AND closed_at IS NOT NULL ORDER BY id DESC LIMIT 1)"
            " LIMIT 1) AS alert",
            [as_json(asked)],
        )
        return [AlertRow(*row) for row in cursor.fetchall()]


def incidents_of_groups(groups: Iterable[AlertKey]) -> dict[AlertKey, int]:
    """(integration, group key) → the incident of its newest open alert."""
    asked = list(groups)
    if not asked:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT asked ->> 0, asked ->> 1, alert.incident_id FROM jsonb_array_elements(%s::jsonb) AS asked,"
            " LATERAL (SELECT incident_id FROM incidents_alert WHERE group_key = asked ->> 1"
            " AND integration_id = (asked ->> 0)::bigint AND closed_at IS NULL ORDER BY id DESC LIMIT 1) AS alert",
            [as_json(asked)],
        )
        return {(int(integration_id), group_key): incident_id for integration_id, group_key, incident_id in cursor}


def firing_counts(incident_ids: Sequence[int]) -> dict[int, int]:
    """How many open alerts of each incident fire."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT incident_id, count(*) FROM incidents_alert"
            " WHERE incident_id = ANY(%s) AND firing AND closed_at IS NULL GROUP BY 1",
            [list(incident_ids)],
        )
        return dict(cursor.fetchall())


def insert_alerts(rows: Sequence[dict[str, Any]]) -> dict[AlertKey, int]:
    """New open alerts; the partial unique index has the last word on their being new. Sorted, so that two
    writers wait for each other in one order."""
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incidents_alert (integration_id, incident_id, deployment_id, dedup_key, group_key, title,"
            " firing, severity_sent, labels, annotations, links, not_shown, started_at, started_at_assumed, ended_at,"
            " first_received_at, last_received_at, received_count, content_digest, grouped_by)"
            " SELECT integration_id, incident_id, deployment_id, dedup_key, group_key, title,"
            " firing, severity_sent, labels, annotations, links, not_shown, started_at, started_at_assumed, ended_at,"
            " first_received_at, last_received_at, received_count, content_digest, grouped_by"
            " FROM json_to_recordset(%s::json) AS alert (integration_id bigint, incident_id bigint,"
            " deployment_id bigint, dedup_key text, group_key text, title text, firing boolean, severity_sent text,"
            " labels jsonb, annotations jsonb, links jsonb, not_shown int, started_at timestamptz,"
            " started_at_assumed boolean, ended_at timestamptz, first_received_at timestamptz,"
            " last_received_at timestamptz, received_count int, content_digest text, grouped_by text)"
            " ORDER BY integration_id, dedup_key RETURNING integration_id, dedup_key, id",
            [as_json(rows)],
        )
        return {(integration_id, dedup_key): pk for integration_id, dedup_key, pk in cursor}


def update_alerts(rows: Sequence[dict[str, Any]]) -> None:
    """Alerts of which something changed. What a row leaves out (or null) stays, but for ``ended_at``."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_alert AS alert SET firing = said.firing, ended_at = said.ended_at,"
            " last_received_at = said.last_received_at, received_count = alert.received_count + said.received_count,"
            " title = coalesce(said.title, alert.title), severity_sent = coalesce(said.severity_sent,"
            " alert.severity_sent), labels = coalesce(said.labels, alert.labels),"
            " annotations = coalesce(said.annotations, alert.annotations), links = coalesce(said.links, alert.links),"
            " not_shown = coalesce(said.not_shown, alert.not_shown),"
            " started_at = coalesce(said.started_at, alert.started_at),"
            " started_at_assumed = alert.started_at_assumed AND said.started_at IS NULL,"
            " content_digest = coalesce(said.content_digest, alert.content_digest)"
            " FROM jsonb_to_recordset(%s::jsonb) AS said (id bigint, title text, firing boolean, severity_sent text,"
            " labels jsonb, annotations jsonb, links jsonb, not_shown int, started_at timestamptz,"
            " ended_at timestamptz, last_received_at timestamptz, received_count int, content_digest text)"
            " WHERE alert.id = said.id",
            [as_json(rows)],
        )


def count_repeats(rows: Sequence[tuple[int, int, datetime, int | None]]) -> None:
    """(alert, further receipts, when, not shown if said) of alerts of which nothing changed."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_alert AS alert SET received_count = alert.received_count + (said ->> 1)::int,"
            " last_received_at = (said ->> 2)::timestamptz, not_shown = coalesce((said ->> 3)::int, alert.not_shown)"
            " FROM jsonb_array_elements(%s::jsonb) AS said WHERE alert.id = (said ->> 0)::bigint",
            [as_json(rows)],
        )


def link_receipts(rows: Sequence[tuple[int, int, str]]) -> None:
    """(alert, receipt, status): which receipt said what about which alert."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO incidents_alertreceipt (alert_id, receipt_id, status)"
            " SELECT (said ->> 0)::bigint, (said ->> 1)::bigint, said ->> 2"
            " FROM jsonb_array_elements(%s::jsonb) AS said",
            [as_json(rows)],
        )


def as_json(value: Any) -> str:
    """JSON text; orjson where it can, which is all but integers beyond 64 bits."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(value, default=str)
