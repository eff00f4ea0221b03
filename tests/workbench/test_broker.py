"""The queue on PostgreSQL: installed once, and many processes may start at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.db import connection

from workbench.broker import conninfo, ensure_schema


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_all_enable_notifications() -> None:
    dsn = conninfo(connection.settings_dict)
    ensure_schema(dsn)
    ensure_schema(dsn)
    with psycopg.connect(dsn, autocommit=True) as setup:
        setup.execute("SELECT pgmq.create('together')")
    barrier = Barrier(8)

    def start(_: int) -> None:
        with psycopg.connect(dsn, autocommit=True) as process:
            barrier.wait()
            process.execute("SELECT pgmq.enable_notify_insert('together', 0)")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))
    with psycopg.connect(dsn, autocommit=True) as cleanup:
        triggers = cleanup.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'pgmq.q_together'::regclass AND tgname LIKE %s",
            ["trigger_notify%"],
        ).fetchone()
        assert triggers == (1,)
        cleanup.execute("SELECT pgmq.drop_queue('together')")
