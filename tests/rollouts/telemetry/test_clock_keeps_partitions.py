"""The clock's share in keeping telemetry."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts import clock
from rollouts.tasks import keep_partitions
from workbench.celery import scheduled


def test_it_is_on_the_schedule() -> None:
    assert scheduled()["rollouts.keep_partitions"]["task"] == keep_partitions.name


@pytest.mark.django_db
def test_it_may_run_twice() -> None:
    keep_partitions()
    keep_partitions()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"rollouts_invocation_{clock.now():%Y%m%d}"])
        assert cursor.fetchone() == (True,)
