"""The clock of Python and of PostgreSQL move together, and nothing stays moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from accounts.actors import Actor
from accounts.clock import now
from accounts.models import AuditEntry
from accounts.operations.audit import record
from tests.clock import MovableClock, real_now
from workbench.models import Tick

MOMENT = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)


def database_now(function: str = "now") -> datetime:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}()")
        row = cursor.fetchone()
    found = row[0]
    assert isinstance(found, datetime)
    return found


@pytest.mark.parametrize("function", ["now", "statement_timestamp", "transaction_timestamp", "clock_timestamp"])
def test_every_function_that_tells_the_time_moves_with_python(clock: MovableClock, function: str) -> None:
    clock.move_to(MOMENT)
    assert abs(now() - MOMENT) < timedelta(seconds=5)
    assert abs(database_now(function) - now()) < timedelta(seconds=5)


def test_advancing_adds_to_the_moved_time(clock: MovableClock) -> None:
    clock.move_to(MOMENT)
    clock.advance(hours=3, minutes=5)
    assert abs(now() - MOMENT - timedelta(hours=3, minutes=5)) < timedelta(seconds=5)
    assert abs(database_now() - now()) < timedelta(seconds=5)


def test_django_s_now_expression_is_the_moved_time(clock: MovableClock) -> None:
    clock.move_to(MOMENT)
    Tick.objects.create(pk=1, at=Now())
    assert abs(Tick.objects.get().at - MOMENT) < timedelta(seconds=5)


@pytest.mark.django_db(transaction=True)
def test_a_committed_move_reaches_other_connections(clock: MovableClock) -> None:
    clock.move_to(MOMENT)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT now()")
            assert abs(cursor.fetchone()[0] - MOMENT) < timedelta(seconds=5)
    finally:
        other.close()


@pytest.mark.django_db
def test_without_the_fixture_it_is_the_true_time() -> None:
    assert abs(now() - real_now()) < timedelta(seconds=5)
    assert abs(database_now() - real_now()) < timedelta(seconds=60)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", [1, 2])
def test_after_a_committing_test_append_only_tables_are_empty_too(round_: int) -> None:
    """The first round fills a table that refuses TRUNCATE; the second finds it empty."""
    assert not AuditEntry.objects.exists()
    record(Actor.automation("a test"), "tested", "nothing")
