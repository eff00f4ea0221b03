"""Rows with a due time, when what they are for fails."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from incidents.models import SlackCard
from tests.factories.incidents import incident

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def row() -> SlackCard:
    SlackCard.objects.filter().delete()
    return SlackCard.objects.create(incident=incident(), channel="C0INCIDENTS", due_at=NOON)


def waits(row: SlackCard) -> float:
    return (row.due_at - NOON).total_seconds()


def test_each_failure_doubles_the_wait_up_to_the_longest(row: SlackCard) -> None:
    seen = []
    for row.attempts in (1, 2, 3, 7, 40):
        row.fail("no", at=NOON, give_up_after=None, longest=100)
        seen.append(waits(row))
    assert seen == [2, 4, 8, 100, 100]
    assert row.given_up_at is None


def test_who_was_asked_to_wait_waits_at_least_that_long(row: SlackCard) -> None:
    row.attempts = 1
    row.fail("later", at=NOON, retry_after=30, longest=20)
    assert waits(row) == 30
    row.attempts = 6
    row.fail("later", at=NOON, retry_after=30)
    assert waits(row) == 64


def test_after_enough_failures_it_is_set_aside(row: SlackCard) -> None:
    row.attempts = 8
    row.fail("no", at=NOON)
    assert row.given_up_at == NOON
