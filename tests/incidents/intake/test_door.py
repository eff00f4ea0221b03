"""The door: keys, methods, bodies good and bad, and what is answered when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from accounts.models import SiteRole
from incidents.intake import app, door
from incidents.models import Alert, Incident, Integration, Page, Receipt
from incidents.operations import integrations
from tests import databases
from tests.factories.accounts import SHELL, UserFactory
from tests.intakes import alert, integration, notification, post, post_all, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def monitor() -> Integration:
    return integration()[0]


@pytest.fixture
def address() -> str:
    return f"/intake/alertmanager/{integration()[1]}"


def nested(levels: int) -> bytes:
    """An Alertmanager notification this many containers deep."""
    inside = levels - 4  # the notification, its list, the alert, the annotations
    sent = json.dumps(notification(alert(annotations={"deep": "HERE"})))
    return sent.replace('"HERE"', "[" * inside + "]" * inside).encode()


BAD = {
    "empty": b"",
    "blank": b" \n",
    "truncated": json.dumps(notification(alert())).encode()[:-20],
    "not UTF-8": b'{"alerts": [], "x": "\xff\xfe"}',
    "not JSON": b"alert=1&status=firing",
    "a key twice": b'{"alerts": [], "alerts": []}',
    "65 levels": nested(65),
    "endless levels": b"[" * 200_000,
    "another shape": b'{"hello": "world"}',
    "a list": b"[]",
    "a member that is no object": b'{"alerts": ["firing"]}',
    "labels that are no object": b'{"alerts": [{"labels": 5}]}',
    "not a number": b'{"alerts": [], "x": NaN}',
    "a number beyond all": b'{"alerts": [], "x": 1e999}',
    "very many digits": b'{"alerts": [], "x": ' + b"9" * 5000 + b"}",
    "a raw NUL": b'{"alerts": [{"labels": {"a": "\x00"}}]}',
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_kept_and_says_why(address: str, body: bytes) -> None:
    answer = post(address, body)
    assert answer.status_code == 202
    receipt = Receipt.objects.get()
    assert answer.json() == {"receipt": receipt.pk, "status": "quarantined", "error": receipt.error}
    assert receipt.status == Receipt.Status.QUARANTINED
    assert receipt.error.endswith(".")
    assert bytes(receipt.body) == body
    assert not Incident.objects.exists()


GOOD = {
    "64 levels": nested(64),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(notification(alert())).encode(),
    "escaped NUL and half surrogate": json.dumps(notification(alert(title="a\x00b \ud800 c", x="\x00"))).encode(),
    "integers beyond 64 bits": json.dumps(notification(alert(annotations={"n": 10**40}))).encode(),
    "a very long title": json.dumps(notification(alert(title="x" * 5000))).encode(),
    "a very long identity": json.dumps(notification(alert("f" * 5000), group="g" * 5000)).encode(),
    "a time a day off": json.dumps(notification(alert())).encode(),
    "a template": json.dumps(notification(alert(title="{{ $labels.host }} <script>alert(1)</script>"))).encode(),
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD)
def test_what_is_strange_but_readable_is_processed(address: str, body: bytes) -> None:
    answer = post(address, body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["alerts"][0]["status"] == "opened"
    assert post(address, body).json()["alerts"][0]["status"] == "duplicate"


def test_a_long_title_is_cut_visibly_and_kept_whole_beside(address: str) -> None:
    post(address, notification(alert(title="y" * 400)))
    sent = Alert.objects.get()
    assert sent.title == "y" * 299 + "…"
    assert sent.annotations["summary"] == "y" * 400


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "nonsense"])
def test_json_under_another_content_type_is_read_anyway(address: str, content_type: str) -> None:
    answer = post(address, json.dumps(notification(alert())).encode(), **{"content-type": content_type})
    assert answer.status_code == 200
    assert Receipt.objects.get().content_type == content_type


def test_a_wrong_revoked_or_foreign_key_is_refused_and_nothing_stored() -> None:
    _, foreign = integration("generic")
    revoked, revoked_key = integration()
    integrations.revoke(revoked, actor=SHELL)
    for key in ["wrong", foreign, revoked_key, "%00", "é"]:
        answer = post(f"/intake/alertmanager/{key}", notification(alert()))
        assert answer.status_code == 401, key
        assert answer.json()["error"]
    assert post(f"/intake/nagios/{foreign}", {}).status_code == 401
    assert not Receipt.objects.exists()


def test_a_key_revoked_or_rotated_bites_at_once() -> None:
    monitor, key = integration()

    async def go() -> list[int]:
        async with running() as client:
            codes = [(await client.post(f"/intake/alertmanager/{key}", json=notification(alert()))).status_code]
            await asyncio.to_thread(in_thread, lambda: integrations.revoke(monitor, actor=SHELL))
            codes.append((await client.post(f"/intake/alertmanager/{key}", json=notification(alert()))).status_code)
            return codes

    assert asyncio.run(go()) == [200, 401]
    assert Receipt.objects.count() == 1


def in_thread(work: Any) -> None:
    try:
        work()
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_only_post_is_answered(address: str, method: str) -> None:
    answer = post(address, b"", method=method)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/intake/", "/intake/alertmanager", "/intake/alertmanager/", "/intake/a/b/c"])
def test_another_path_is_not_found(path: str) -> None:
    assert post(path, {}).status_code == 404


@override_settings(INTAKE_MAX_BYTES=1000)
def test_a_body_that_is_too_large_is_refused_before_it_is_read(address: str) -> None:
    assert post(address, b"x" * 1001).status_code == 413

    async def drip() -> Any:
        for _ in range(100):
            yield b"x" * 100

    async def go() -> int:
        async with running() as client:
            return (await client.post(address, content=drip())).status_code

    assert asyncio.run(go()) == 413
    assert not Receipt.objects.exists()
    assert post(address, b" " * 1000).status_code == 202


def test_only_as_much_of_a_large_body_is_read_as_it_takes_to_know(address: str) -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def go() -> None:
        await app.startup()
        scope = {"type": "http", "method": "POST", "path": address, "headers": []}
        await app.application(scope, receive, send)
        await app.shutdown()

    asyncio.run(go())
    assert sent[0]["status"] == 413
    assert asked == 6


def test_a_sender_that_goes_away_mid_body_leaves_nothing(address: str) -> None:
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    async def go() -> None:
        await app.startup()
        await app.application({"type": "http", "method": "POST", "path": address, "headers": []}, receive, send)
        await app.shutdown()

    asyncio.run(go())
    assert sent == []
    assert not Receipt.objects.exists()


def test_two_hundred_identical_posts_at_once_are_one_incident(address: str) -> None:
    people = [UserFactory(roles=[SiteRole.ADMIN]), UserFactory(roles=[SiteRole.ADMIN])]
    answers = post_all(address, [notification(alert())] * 200)
    assert {answer.status_code for answer in answers} == {200}
    said = [answer.json()["alerts"][0]["status"] for answer in answers]
    assert (said.count("opened"), said.count("duplicate")) == (1, 199)
    assert len({answer.json()["receipt"] for answer in answers}) == 200
    incident, sent = Incident.objects.get(), Alert.objects.get()
    assert (sent.received_count, sent.receipt_links.count(), Receipt.objects.count()) == (200, 200, 200)
    assert incident.timeline.count() == 1
    assert sorted(Page.objects.values_list("user", flat=True)) == [person.pk for person in people]


def test_requests_that_wait_together_share_commits(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    receive = door.lane._try

    def counted(work: Any, asked: Any) -> Any:
        groups.append(len(asked))
        return receive(work, asked)

    monkeypatch.setattr(door.lane, "_try", counted)
    post_all(address, [notification(alert(f"f{n}")) for n in range(50)])
    assert sum(groups[1:]) >= 50
    assert max(groups) > 5


def test_a_large_body_travels_alone_and_is_stored_whole(address: str) -> None:
    large = notification(*(alert(f"f{n}") for n in range(600)))
    answers = post_all(address, [large, notification(alert("small"))])
    assert [answer.status_code for answer in answers] == [200, 200]
    assert Alert.objects.count() == 601
    assert Incident.objects.count() == 1


def test_a_connection_that_was_cut_is_replaced_without_the_sender_noticing(address: str) -> None:
    ours = connection.connection.info.backend_pid if connection.connection is not None else 0

    def cut() -> None:
        with databases.connect(connection.settings_dict["NAME"]) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), %s)",
                [ours],
            )

    async def go() -> list[int]:
        async with running() as client:
            codes = [(await client.post(address, json=notification(alert("a")))).status_code]
            await asyncio.to_thread(cut)
            return [*codes, (await client.post(address, json=notification(alert("b")))).status_code]

    assert asyncio.run(go()) == [200, 200]
    assert Receipt.objects.count() == 2
