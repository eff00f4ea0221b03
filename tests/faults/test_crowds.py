"""Many at once, against whole servers: one fact stays one fact, and the press is never starved."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from threading import Barrier, Event

import httpx
import pytest

from tests.faults.scene import Browser, alarm, count, intake, press, room_about, second_server, ship
from tests.processes import ROOT, Workbench

pytestmark = pytest.mark.story


def post_at_once(urls: list[str], sent: object) -> list[httpx.Response]:
    """``sent`` to all of these addresses, each by a connection of its own."""

    async def go() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:
            return await asyncio.gather(*(client.post(url, json=sent) for url in urls))

    return asyncio.run(go())


def one_fact(site: Workbench, fingerprint: str, answers: list[httpx.Response]) -> None:
    """200 answers about one alert: one incident, one alert, 200 receipts, one page."""
    assert Counter(answer.status_code for answer in answers) == {200: 200}
    said = Counter(answer.json()["alerts"][0]["status"] for answer in answers)
    assert said == {"opened": 1, "duplicate": 199}
    ((alert_pk, incident_pk, received),) = site.sql(
        "SELECT id, incident_id, received_count FROM incidents_alert WHERE title LIKE %s", [f"%({fingerprint})%"]
    )
    assert received == 200
    assert len({answer.json()["receipt"] for answer in answers}) == 200
    assert {answer.json()["alerts"][0]["incident"] for answer in answers} == {
        ref for (ref,) in site.sql("SELECT ref FROM incidents_incident WHERE id = %s", [incident_pk])
    }
    assert count(site, "incidents_page", f"incident_id = {incident_pk}") == 1, "one person is on call"
    assert count(site, "incidents_alert", f"incident_id = {incident_pk}") == 1
    assert alert_pk


def test_two_hundred_identical_posts_to_one_server_are_one_incident(site: Workbench) -> None:
    one_fact(site, "crowd", post_at_once([site.url + intake(site)] * 200, alarm(fingerprint="crowd")))


def test_two_hundred_identical_posts_to_two_servers_are_one_incident(site: Workbench) -> None:
    with second_server(site) as other:
        urls = [url + intake(site) for url in (site.url, other)] * 100
        one_fact(site, "pair", post_at_once(urls, alarm(fingerprint="pair")))


def test_browsers_api_and_command_line_pressing_together_are_one_rollback(site: Workbench) -> None:
    """Again and again: whoever wins, there is one Rollback and one room, and one press says it was the one."""
    with Browser(site).as_admin(site) as browser, ThreadPoolExecutor(9) as people:
        for turn in range(4):
            key = f"together-{turn}"
            ship(site, key)
            room = room_about(site, key)
            page = f"/i/{room}/contain/"
            forged = {"csrfmiddlewaretoken": browser.token(page), "reason": "by page"}
            together = Barrier(9)

            def by_page() -> str:
                together.wait(20)  # noqa: B023
                answer = browser.http.post(f"/i/{room}/rollback/", data=forged)  # noqa: B023
                assert (answer.status_code, answer.headers["location"]) == (302, page), answer.text  # noqa: B023
                return "page"

            def by_api() -> str:
                together.wait(20)  # noqa: B023
                answer = press(site, key)  # noqa: B023
                assert answer.json()["incident"] == room, answer.text  # noqa: B023
                return str(answer.status_code)

            def by_command() -> str:
                together.wait(20)  # noqa: B023
                env = site.env | {"LASTGOOD_URL": site.url}
                argv = [str(ROOT / "lastgood"), "rollback", key]  # noqa: B023
                done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
                assert done.returncode == 0, done.stdout + done.stderr
                assert f"{key}/prod: 2.0.0 → 1.0.0" in done.stdout  # noqa: B023
                return "command"

            presses = [people.submit(door) for door in [by_page, by_api, by_command] * 3]
            said = Counter(done.result() for done in presses)
            assert (said["page"], said["command"], said["200"] + said["201"]) == (3, 3, 3)
            assert said["201"] <= 1
            rows = site.sql(
                "SELECT count(*) FROM rollouts_rollback r JOIN rollouts_deployment d ON d.id = r.deployment_id"
                " JOIN rollouts_bundle b ON b.id = d.bundle_id WHERE b.key = %s",
                [key],
            )
            assert rows == [(1,)]
            entries = site.sql(
                "SELECT count(*) FROM incidents_timelineentry t JOIN incidents_incident i ON i.id = t.incident_id"
                " WHERE i.ref = %s AND t.kind = 'rollback'",
                [room],
            )
            assert entries == [(1,)]


def test_of_many_presses_at_two_servers_exactly_one_answers_that_it_made_the_rollback(site: Workbench) -> None:
    ship(site, "one-201")
    path = "/api/v1/deployments/one-201/prod/rollback"

    async def go(urls: list[str]) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=30, headers=site.token(), trust_env=False) as client:
            return await asyncio.gather(*(client.post(url + path) for url in urls))

    with second_server(site) as other:
        answers = asyncio.run(go([site.url, other] * 20))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 39}
    assert len({(answer.json()["rollback"], answer.json()["incident"]) for answer in answers}) == 1
    assert answers[0].json()["incident"], "no press is left without its room"


def test_a_press_is_not_starved_by_sixty_people_reading_pages(site: Workbench) -> None:
    ship(site, "not-starved")
    room = room_about(site, "not-starved")
    enough, statuses, waits = Event(), Counter[int](), list[float]()

    with Browser(site).as_admin(site) as browser, ThreadPoolExecutor(60) as readers:
        cookies = dict(browser.http.cookies)

        def read() -> None:
            with httpx.Client(base_url=site.url, cookies=cookies, timeout=60, trust_env=False) as reader:
                while not enough.is_set():
                    began = time.monotonic()
                    statuses[reader.get(f"/i/{room}/contain/").status_code] += 1
                    waits.append(time.monotonic() - began)

        reading = [readers.submit(read) for _ in range(60)]
        try:
            time.sleep(3)
            began = time.monotonic()
            answer = press(site, "not-starved")
            took = time.monotonic() - began
        finally:
            enough.set()
        for reader in reading:
            reader.result()
    assert answer.status_code == 201, answer.text
    reads = f"{statuses.total()} pages, {median(waits):.1f} s each"
    assert took < 2, f"the press took {took:.1f} s beside {reads}"
    assert took < median(waits) / 2, f"the press waited its turn: {took:.1f} s beside {reads}"
    assert set(statuses) == {200}
