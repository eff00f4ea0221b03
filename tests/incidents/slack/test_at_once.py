"""Many at once, on connections of their own: each request is worked by one, and acts once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from incidents.models import Acknowledgement, SlackCard, SlackDelivery, TimelineEntry
from incidents.slack import cards, work
from rollouts.models import Rollback
from tests.factories.incidents import incident, someone
from tests.factories.rollouts import running
from tests.fake_slack import FakeSlack
from tests.slack_requests import command, keep, linked, press

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker here: the test is the worker."""
    monkeypatch.setattr("incidents.notifications.hint._start", lambda task: None)


def together(work: Callable[[], object], times: int) -> None:
    """Let several workers do it at the same moment."""
    barrier, failed = threading.Barrier(times), list[BaseException]()

    def one() -> None:
        try:
            barrier.wait(10)
            work()
        except BaseException as error:  # a thread's failure has to reach the test
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed


def test_two_people_pressing_at_once_are_one_rollback_and_both_are_told(slack: FakeSlack) -> None:
    people = [linked(someone(name), f"U0{name.upper()}") for name in ("Mara", "Jo")]
    room = incident(running("2.0.0", "2.1.0"))
    for user in people:
        keep(press(slack, "rollback.1", room.ref, user=f"U0{user.name.upper()}"))
    together(work.work_due, 2)
    assert Rollback.objects.count() == 1
    assert Acknowledgement.objects.count() == 1
    assert ["2.1.0 → 2.0.0" in call.text for call in slack.of("response")] == [True, True]
    assert SlackDelivery.objects.exclude(done_at=None).count() == 2


def test_a_crowd_of_workers_does_each_request_once(slack: FakeSlack) -> None:
    linked(someone("Mara"))
    room = incident(running("1.0.0"))
    for number in range(12):
        keep(command(slack, f"note {room.ref} step {number}"))
    for _ in range(4):
        together(work.work_due, 4)
        SlackDelivery.objects.filter(done_at=None).update(due_at="2026-01-01T00:00:00Z")
    work.work_due()
    told = TimelineEntry.objects.filter(kind="note").order_by("sequence").values_list("text", flat=True)
    assert list(told) == [f"step {number}" for number in range(12)]  # one person's, so in order


def test_two_workers_post_one_card(slack: FakeSlack) -> None:
    incident(running("1.0.0"))
    together(cards.send_due, 3)
    assert len(slack.root()) == 1
    assert SlackCard.objects.get().done_at is not None
