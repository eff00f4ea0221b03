"""What every test stands on: a real PostgreSQL, a database per test process, a clock that can be moved."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import databases
from tests.clock import MovableClock
from tests.processes import Workbench, installed

# A machine that others use too is slow now and then; that says nothing about the property.
hypothesis_settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("shared")

CLUSTER = pytest.StashKey[databases.Cluster]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller alone starts the cluster; its xdist workers find it running."""
    if settings.EMBEDDED and not hasattr(config, "workerinput"):
        cluster = databases.Cluster(Path(settings.VAR))
        cluster.join()
        config.stash[CLUSTER] = cluster


def pytest_unconfigure(config: pytest.Config) -> None:
    if CLUSTER in config.stash:
        config.stash[CLUSTER].leave()


def truncate_everything(self: DatabaseOperations, style: Any, tables: Any, **options: Any) -> list[str]:
    """Empty every table of ours after a committing test, also those whose rows the triggers call eternal.

    ``session_replication_role = replica`` lets TRUNCATE pass the append-only triggers, for this transaction only.
    Tables are asked of the database, since partitioned ones are not all managed by Django.
    """
    with self.connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I', relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'django_migrations'"
        )
        names = [row[0] for row in cursor.fetchall()]
    return ["SET LOCAL session_replication_role = replica", f"TRUNCATE {', '.join(names)} RESTART IDENTITY"]


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of this test process, copied from the migrated template."""
    original = DatabaseOperations.sql_flush
    DatabaseOperations.sql_flush = truncate_everything  # type: ignore[method-assign, assignment]
    with (
        django_db_blocker.unblock(),
        databases.copied_database(os.environ.get("PYTEST_XDIST_WORKER", "main")) as name,
        databases.pointed_at(name),
    ):
        yield
    DatabaseOperations.sql_flush = original  # type: ignore[method-assign]


@pytest.fixture
def clock(db: None) -> Iterator[MovableClock]:
    """Moves Python's clock and PostgreSQL's together: ``clock.move_to(moment)``, ``clock.advance(minutes=5)``."""

    def shift(by: timedelta) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM clock.shift")
            cursor.execute("INSERT INTO clock.shift VALUES (make_interval(secs => %s))", [by.total_seconds()])

    with MovableClock(shift) as moved:
        yield moved
    if not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM clock.shift")


@pytest.fixture
def noon(clock: MovableClock) -> datetime:
    """The clock stands near a moment that is easy to read; returns it."""
    moment = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
    clock.move_to(moment)
    return moment


@pytest.fixture
def start_workbench(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., Workbench]]:
    """``start_workbench("server", "worker", "clock")``: real processes on a fresh database; see tests/processes.py.

    Keywords: ``own_cluster=True`` gives it a PostgreSQL of its own (``workbench.postgres``), ``env={…}`` settings.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())

        def start(*roles: str, own_cluster: bool = False, env: dict[str, str] | None = None) -> Workbench:
            workbench = stack.enter_context(installed(own_cluster=own_cluster, env=env))
            workbench.start(*roles)
            return workbench

        yield start
