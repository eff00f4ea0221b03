"""The broker: kombu's pgmq transport on our own database, unless ``CELERY_BROKER_URL`` names another."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

SCHEMA_LOCK = 7_311_003  # an advisory lock: two starts install one schema

#: The transport enables notifications for its queue in every process that starts, by dropping the trigger and
#: making it anew: two processes that start together meet there and one dies, and each takes an exclusive lock on
#: the queue. So pgmq's function is put behind one of the same name that asks first, one caller at a time.
ENABLE_NOTIFY_ONCE = """
DO $install$
BEGIN
  IF to_regprocedure('pgmq.enable_notify_insert_anew(text, integer)') IS NULL THEN
    ALTER FUNCTION pgmq.enable_notify_insert(text, integer) RENAME TO enable_notify_insert_anew;
  END IF;
END $install$;
CREATE OR REPLACE FUNCTION pgmq.enable_notify_insert(queue_name text, throttle_interval_ms integer DEFAULT 250)
RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('enable notify ' || queue_name, 0));
  IF NOT EXISTS (
    SELECT 1 FROM pg_trigger
    WHERE tgrelid = to_regclass(format('pgmq.%I', pgmq.format_table_name(queue_name, 'q')))
      AND tgname = 'trigger_notify_queue_insert_listeners'
  ) THEN
    PERFORM pgmq.enable_notify_insert_anew(queue_name, throttle_interval_ms);
  END IF;
END $body$;
"""


def conninfo(database: dict[str, Any]) -> str:
    """Django's connection settings as libpq's, without what is Django's own (the pool)."""
    options = {name: value for name, value in database.get("OPTIONS", {}).items() if isinstance(value, str | int)}
    named = {
        "dbname": database["NAME"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "host": database["HOST"],
        "port": database["PORT"],
    }
    return make_conninfo("", **{name: value for name, value in named.items() if value}, **options)


def transport_options(dsn: str) -> dict[str, Any]:
    """Settings under which the transport answers in milliseconds; its defaults stall for seconds.

    The long poll is off because it holds a transaction on the queue's table, which the first publish of every other
    process needs for itself. ``visibility_timeout`` (seconds) must exceed four times the longest task.
    """
    return {
        "conn_string": dsn,
        "init_extension": False,
        "use_notify": True,
        "wait_time_seconds": 0,
        "polling_interval": 0.25,
        "notify_throttle_interval_ms": 0,
        "visibility_timeout": 120,
        "pool_size": 1,  # a statement takes milliseconds; each connection more is 15 MB of a laptop
        "pool_timeout": 1.5,
    }


def ensure_schema(dsn: str) -> None:
    """Install pgmq's tables and functions once; a second installation would fail, so ask first."""
    from pgmq import install_pgmq_from_sql

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [SCHEMA_LOCK])
        row = connection.execute("SELECT to_regclass('pgmq.meta') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            install_pgmq_from_sql(dsn=dsn)
        connection.execute(ENABLE_NOTIFY_ONCE)
