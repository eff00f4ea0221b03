"""Processes that die at the worst moment: what is owed is done by the next one, once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.faults.scene import count, press, room_about, ship
from tests.processes import Workbench

pytestmark = pytest.mark.story
Start = Callable[..., Workbench]


def mails(workbench: Workbench) -> list[str]:
    """Every message that has left."""
    folder = workbench.folder / "mail"
    return [text for path in sorted(folder.glob("*")) for text in path.read_text().split("-" * 79) if text.strip()]


def test_what_a_killed_worker_had_not_sent_is_sent_exactly_once_by_the_next(start_workbench: Start) -> None:
    workbench = start_workbench("server", "worker", "clock")
    ship(workbench, "killed")
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"], 20)

    workbench.kill("worker")  # nobody takes the hint
    room = room_about(workbench, "killed")
    pressed = press(workbench, "killed")
    assert (pressed.status_code, pressed.json()["incident"]) == (201, room)
    pages, notices = count(workbench, "incidents_page"), count(workbench, "incidents_notice")
    assert (pages, notices) == (1, 1)
    assert mails(workbench) == []

    workbench.start("worker")
    for table in ("incidents_page", "incidents_notice"):
        workbench.eventually(lambda: not count(workbench, table, "done_at IS NULL"), 30)  # noqa: B023
    workbench.stop("clock")
    told = [mail for mail in mails(workbench) if room in mail]
    assert len([mail for mail in told if "[" + room in mail]) == 1, "the notice of the rollback"
    assert len(told) == 2, "it, and the page"


def test_a_worker_killed_while_it_sends_repeats_nothing_that_was_finished(start_workbench: Start) -> None:
    """Killed between claim and sending: the claim lapses and the next worker sends it, once."""
    workbench = start_workbench("server")
    ship(workbench, "claimed")
    room_about(workbench, "claimed")
    claimed = "UPDATE incidents_page SET claimed_until = now() + interval '90 seconds', attempts = 1 RETURNING id"
    assert len(workbench.sql(claimed)) == 1
    workbench.start("worker", "clock")
    workbench.eventually(lambda: workbench.http.get("/readyz").json()["ready"], 20)
    assert mails(workbench) == [], "somebody may still be at it"
    workbench.clock.advance(seconds=95)
    workbench.eventually(lambda: mails(workbench), 20)
    workbench.eventually(lambda: not count(workbench, "incidents_page", "done_at IS NULL"))
    assert len(mails(workbench)) == 1


def test_a_server_killed_between_the_flip_and_its_record_loses_nothing(start_workbench: Start) -> None:
    """The room is held, so its record waits; the flip is committed, and then the power goes."""
    workbench = start_workbench("server")
    ship(workbench, "powerless")
    room = room_about(workbench, "powerless")
    with ThreadPoolExecutor(1) as people, workbench.connect() as holder:
        with holder.transaction():
            holder.execute("SELECT 1 FROM incidents_incident WHERE ref = %s FOR UPDATE", [room])
            pressing = people.submit(press, workbench, "powerless")
            workbench.eventually(lambda: count(workbench, "rollouts_rollback"))
            workbench.kill("server")
        with pytest.raises(httpx.TransportError):
            pressing.result(20)
    recorded = "kind = 'rollback'"
    assert count(workbench, "incidents_timelineentry", recorded) == 0

    workbench.start("server", "worker", "clock")
    workbench.eventually(lambda: count(workbench, "incidents_timelineentry", recorded), 30)
    again = press(workbench, "powerless")
    assert (again.status_code, again.json()["incident"], again.json()["to"]["label"]) == (200, room, "1.0.0")
    ticked = workbench.sql("SELECT at FROM workbench_tick")
    workbench.eventually(lambda: workbench.sql("SELECT at FROM workbench_tick") != ticked, 20)  # several sweeps later
    assert count(workbench, "incidents_timelineentry", recorded) == 1
    assert count(workbench, "incidents_incident") == count(workbench, "rollouts_rollback") == 1
    assert count(workbench, "incidents_incident", "contained_at IS NOT NULL") == 1
