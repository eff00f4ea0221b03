"""A partition per day (UTC) for what is told about that day: made before it is needed, dropped when it is old."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from accounts import clock

TABLES = ("rollouts_invocation", "rollouts_agentrun")
#: The one lock under which partitions are made and dropped, whoever does it.
LOCK = 7_311_101
#: How far ahead of now a span may claim to be, and the clock makes partitions.
AHEAD = timedelta(days=1)


def oldest_kept(at: datetime) -> date:
    """The first day that is still within the retention."""
    return at.date() - timedelta(days=settings.TELEMETRY_RETENTION_DAYS)


def partition_name(table: str, day: date) -> str:
    return f"{table}_{day:%Y%m%d}"


def ensure_partitions(days: Iterable[date]) -> int:
    """Make the partitions of ``days`` that are missing, in the caller's transaction; returns how many.

    Made beside the table and attached, which lets others go on reading and writing meanwhile. Rows of such a day
    that fell into the default partition move along.
    """
    wanted = {partition_name(table, day): (table, day) for day in days for table in TABLES}
    if not wanted:
        return 0
    missing = wanted.keys() - _existing(list(wanted))
    if not missing:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        missing -= _existing(list(missing))  # somebody may have been quicker
        for name in sorted(missing):
            _make(cursor, name, *wanted[name])
    return len(missing)


def keep_partitions(at: datetime | None = None) -> tuple[int, int]:
    """Make today's and the next days' partitions, drop those past the retention; returns how many of each.

    Dropping waits at most two seconds for readers: the clock comes again in an hour.
    """
    at = at or clock.now()
    made = ensure_partitions(at.date() + timedelta(days=ahead) for ahead in range(AHEAD.days + 2))
    first = {table: partition_name(table, oldest_kept(at)) for table in TABLES}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute(
            "SELECT child.relname, parent.relname FROM pg_inherits"
            " JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent"
            " WHERE parent.relname = ANY(%s) AND child.relname ~ '_[0-9]{8}$'",
            [list(TABLES)],
        )
        old = sorted(name for name, table in cursor.fetchall() if name < first[table])
        for name in old:
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
        cursor.execute("SET LOCAL lock_timeout = 0")
    return made, len(old)


def _existing(names: list[str]) -> set[str]:
    with connection.cursor() as cursor:
        # Reading the catalogue itself: to_regclass() may answer from a cache that has not yet heard of others' tables.
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s)"
            " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = %s::regclass)",
            [names, TABLES[0]],
        )
        return {row[0] for row in cursor.fetchall()}


def _make(cursor: CursorWrapper, name: str, table: str, day: date) -> None:
    names = {
        "new": sql.Identifier(name),
        "table": sql.Identifier(table),
        "rest": sql.Identifier(f"{table}_default"),
        "day": sql.Literal(day),
        "next": sql.Literal(day + timedelta(days=1)),
    }
    cursor.execute(sql.SQL("CREATE TABLE {new} (LIKE {table} INCLUDING ALL)").format(**names))
    cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {rest} WHERE day = {day})").format(**names))
    if cursor.fetchone() == (True,):
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = ''",
            [table],
        )
        columns = sql.SQL(", ").join(sql.Identifier(row[0]) for row in cursor.fetchall())
        cursor.execute(
            sql.SQL(
                "WITH moved AS (DELETE FROM {rest} WHERE day = {day} RETURNING {columns})"
                " INSERT INTO {new} ({columns}) SELECT {columns} FROM moved"
            ).format(columns=columns, **names)
        )
    cursor.execute(
        sql.SQL("ALTER TABLE {table} ATTACH PARTITION {new} FOR VALUES FROM ({day}) TO ({next})").format(**names)
    )
