"""Nobody waits in a circle, nor for somebody who only refers to a row (docs/adr/0003-one-order-of-locks.md)."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from accounts.models import SiteRole
from incidents.models import Incident, MachineMove
from incidents.operations import moves
from rollouts.operations.roll_back import roll_back
from tests.factories.accounts import person
from tests.factories.incidents import incident, nobody_listening
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def another_connection() -> Iterator[psycopg.Connection]:
    known = {k: v for k, v in connection.get_connection_params().items() if k not in {"cursor_factory", "context"}}
    with psycopg.connect(**known) as other:
        yield other
        other.rollback()


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[threading.Thread]:
    """``work`` in a thread with a connection of its own; ended when the block is left."""

    def go() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=go)
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive()


def wait_until_somebody_waits(other: psycopg.Connection) -> None:
    deadline = time.monotonic() + 10
    while not other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
        assert time.monotonic() < deadline, "nobody waits for a lock"
        time.sleep(0.02)


def test_every_row_is_locked_so_that_others_may_refer_to_it() -> None:
    sources = [path for app in ("accounts", "rollouts", "incidents") for path in (ROOT / app).rglob("*.py")]
    calls = [
        (path.name, call) for path in sources for call in re.findall(r"select_for_update\([^)]*", path.read_text())
    ]
    assert len(calls) > 15
    assert [call for call in calls if "no_key=True" not in call[1]] == []


def test_a_press_does_not_wait_for_rows_that_refer_to_its_deployment_or_its_presser() -> None:
    deployment, presser = running("2.0.0", "2.1.0"), person(SiteRole.ADMIN)
    assert presser.user is not None
    with another_connection() as other:  # what an alert that is being filed, or an entry being written, holds
        other.execute("SELECT 1 FROM rollouts_deployment WHERE id = %s FOR KEY SHARE", [deployment.pk])
        other.execute("SELECT 1 FROM accounts_user WHERE id = %s FOR KEY SHARE", [presser.user.pk])
        assert roll_back(deployment, actor=presser)[1]


def test_the_rooms_of_a_move_are_locked_in_order_and_none_is_held_while_another_is_waited_for() -> None:
    deployment, presser = running("2.0.0", "2.1.0"), person()
    first, second = incident(deployment), incident(deployment, severity="SEV1")
    with nobody_listening():
        rollback, _ = roll_back(deployment, actor=presser, pressed_in=second.ref)
    with another_connection() as holder, another_connection() as looker:
        holder.execute("SELECT 1 FROM incidents_incident WHERE id = %s FOR NO KEY UPDATE", [first.pk])
        with beside(lambda: moves.record("rollback", rollback.pk)):
            wait_until_somebody_waits(looker)
            free = "SELECT id FROM incidents_incident WHERE id = %s FOR NO KEY UPDATE NOWAIT"
            assert looker.execute(free, [second.pk]).fetchone() == (second.pk,)
            looker.rollback()
            holder.rollback()
    assert MachineMove.objects.get(kind="rollback").incident == second


def test_a_sweep_goes_on_past_a_room_that_is_held() -> None:
    held, free = running("2.0.0", "2.1.0", key="held"), running("2.0.0", "2.1.0", key="free")
    room = incident(held)
    with nobody_listening():
        roll_back(held, actor=person())
        free_rollback, _ = roll_back(free, actor=person())
    with another_connection() as holder:
        holder.execute("SELECT 1 FROM incidents_incident WHERE id = %s FOR UPDATE", [room.pk])
        moves.sweep()
        found = MachineMove.objects.get(kind="rollback")
        assert found.object_id == free_rollback.pk
    moves.sweep()
    assert MachineMove.objects.filter(kind="rollback", incident=room).count() == 1
    assert Incident.objects.count() == 2


def test_one_sweep_of_a_process_at_a_time() -> None:
    deployment = running("2.0.0", "2.1.0")
    room = incident(deployment)
    with nobody_listening():
        roll_back(deployment, actor=person())
    with another_connection() as holder:
        holder.execute("SELECT 1 FROM incidents_incident WHERE id = %s FOR UPDATE", [room.pk])
        with beside(moves.sweep):
            wait_until_somebody_waits(holder)
            began = time.monotonic()
            assert moves.sweep() == 0
            assert time.monotonic() - began < 1
            holder.rollback()
