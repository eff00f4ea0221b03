"""Somebody else holds what a press has to change: the presser is told within seconds, and the next press works."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.scene import Browser, count, press, room_about, ship
from tests.processes import Workbench

pytestmark = pytest.mark.story

SENTENCE = "This deployment is being changed by somebody else. Nothing was done; press again."
#: Four at the worst for the lock, the rest for a busy machine.
SECONDS = 8
HELD = {
    "the pointer": "SELECT 1 FROM rollouts_deployment d JOIN rollouts_bundle b ON b.id = d.bundle_id"
    " WHERE b.key = %s FOR UPDATE OF d",
    "the epoch": "SELECT 1 FROM rollouts_environment WHERE name = 'prod' AND %s <> '' FOR UPDATE",
}


@pytest.mark.parametrize("held", HELD)
def test_a_press_says_so_instead_of_hanging(site: Workbench, held: str) -> None:
    key = f"held-{len(held)}"
    ship(site, key)
    room = room_about(site, key)
    before = count(site, "rollouts_rollback")
    with Browser(site).as_admin(site) as browser:
        page = f"/i/{room}/contain/"
        token = browser.token(page)
        with site.connect() as holder, holder.transaction():
            assert holder.execute(HELD[held], [key]).fetchall()
            with ThreadPoolExecutor(3) as people:
                began = time.monotonic()
                asked = [
                    people.submit(press, site, key),
                    people.submit(browser.http.post, f"/i/{room}/rollback/", data={"csrfmiddlewaretoken": token}),
                    people.submit(site.http.post, f"/api/v1/deployments/{key}/prod/stop", headers=site.token()),
                ]
                answers = [answer.result() for answer in asked]
                assert time.monotonic() - began < SECONDS
            assert [answer.status_code for answer in answers] == [409, 409, 409]
            assert all(SENTENCE in answer.text for answer in answers)
        assert count(site, "rollouts_rollback") == before
        again = browser.http.post(f"/i/{room}/rollback/", data={"csrfmiddlewaretoken": token})
        assert again.status_code == 302
    assert count(site, "rollouts_rollback") == before + 1


def test_a_press_is_answered_while_its_room_is_held(site: Workbench) -> None:
    """The flip waits for nobody's paperwork: what could not be written at once is written by the next who looks."""
    ship(site, "room-held")
    room = room_about(site, "room-held")
    with site.connect() as holder, holder.transaction():
        holder.execute("SELECT 1 FROM incidents_incident WHERE ref = %s FOR UPDATE", [room])
        began = time.monotonic()
        answer = press(site, "room-held")
        assert time.monotonic() - began < SECONDS
        assert (answer.status_code, answer.json()["to"]["label"]) == (201, "1.0.0")
        assert answer.json()["incident"] is None
    again = press(site, "room-held")
    assert (again.status_code, again.json()["incident"]) == (200, room)
    assert again.json()["rollback"] == answer.json()["rollback"]
