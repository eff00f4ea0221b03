"""The database itself keeps the record."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts import clock
from incidents.models import Incident
from incidents.operations import (
    note,
    timeline,
)
from tests.factories.accounts import person
from tests.factories.incidents import incident

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE incidents_timelineentry SET text = 'nicer'",
        "DELETE FROM incidents_timelineentry",
        "TRUNCATE incidents_timelineentry CASCADE",
    ],
)
def test_the_database_refuses_to_change_the_timeline(attempt: str) -> None:
    room = incident()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match=r"append-only|Cannot (update|delete)"), transaction.atomic():
            cursor.execute(attempt)
    assert timeline.first_broken(room) is None


def test_a_change_behind_the_triggers_shows_in_the_chain() -> None:
    room = incident()
    entry = note.add(room, actor=person(), text="one")
    note.add(room, actor=person(), text="two")
    room.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE incidents_timelineentry SET text = 'nicer' WHERE id = %s", [entry.pk])
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")
    assert timeline.first_broken(room) == entry.sequence


@pytest.mark.parametrize(
    "impossible",
    [
        {"resolved_at": "now"},
        {"triage_skipped_at": "now"},
        {"containment_waived_at": "now"},
        {"document_skipped_at": "now"},
        {"severity": "SEV0"},
        {"ref": "BUG-1"},
    ],
)
def test_the_database_refuses_what_must_never_be_true(impossible: dict[str, str]) -> None:
    room = incident()
    values = {name: clock.now() if value == "now" else value for name, value in impossible.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Incident.objects.filter(pk=room.pk).update(**values)
