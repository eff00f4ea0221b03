"""Cases, sets and runs by the JSON API and the command line."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.models import Scope
from rollouts.models import EvalRun
from rollouts.operations import eval_work
from rollouts.operations.push import push
from rollouts.practice.bundles import BAD, FIX, KEY, VERSIONS
from tests.callers import Caller
from tests.factories.accounts import machine, token
from tests.factories.evals import case, filed, junit
from tests.factories.rollouts import practised, version
from tests.rollouts.test_cli import Shell

CASES = f"/api/v1/bundles/{KEY}/cases"
RUNS = f"/api/v1/bundles/{KEY}/versions/{{}}/eval-runs"
CASE: dict[str, Any] = {
    "title": "A refund of $480 goes out",
    "key": "refund",
    "inputs": {"amount": 480},
    "check": {"kind": "assertion", "body": {"path": "outcome", "operator": "equals", "value": "refunded"}},
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller(token()[1])


def of(*scopes: str) -> Caller:
    return Caller(token(*scopes)[1])


def test_a_case_is_added_read_replaced_and_left_out(caller: Caller) -> None:
    bad = version(label="2.1.0")
    more = {
        "bad_version": "2.1.0",
        "incident": "INC-7",
        "invocation": {"day": "2026-11-20", "trace_id": "a" * 32},
        "repeats": 3,
    }
    answer = caller.post(CASES, CASE | more)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["key"], told["set"], told["bad_version"], told["repeats"]) == ("refund", "golden", bad.as_json(), 3)
    assert told["invocation"] == {"day": "2026-11-20", "trace_id": "a" * 32, "span_id": ""}
    assert caller.get(CASES).json()["items"] == [told]
    assert caller.get(f"{CASES}?set=other").json()["items"] == []
    better = caller.post(CASES, CASE | {"key": "refund-2", "inputs": {"amount": 1}, "replaces": "refund"}).json()
    assert (better["replaces"], [item["key"] for item in caller.get(CASES).json()["items"]]) == ("refund", ["refund-2"])
    left = caller.post(f"{CASES}/refund-2/remove", {"reason": "Not ours."})
    assert (left.status_code, left.json()["number"], left.json()["cases"]) == (200, 3, 0)
    sets = caller.get(f"/api/v1/bundles/{KEY}/eval-sets").json()["items"]
    assert [(found["set"], found["number"]) for found in sets] == [("golden", 3)]
    first = caller.get(f"/api/v1/bundles/{KEY}/eval-sets/golden/1").json()
    assert ([held["key"] for held in first["cases"]], first["note"]) == (["refund"], "refund is new")


def test_what_is_wrong_with_a_case_is_said_with_422(caller: Caller) -> None:
    version()
    answer = caller.post(CASES, CASE | {"check": {"kind": "json_schema", "body": {"type": "strng"}}, "title": ""})
    assert answer.status_code == 422
    assert len(answer.json()["reasons"]) == 2
    assert caller.post(CASES, CASE | {"unknown": 1}).status_code == 422
    assert caller.post(CASES, CASE | {"bad_version": 99}).status_code == 404
    assert caller.post(CASES, CASE | {"replaces": "stranger"}).status_code == 404
    assert caller.post(f"{CASES}/stranger/remove", {"reason": "x"}).status_code == 404
    for number in (0, 9, 10**20):
        assert caller.get(f"/api/v1/bundles/{KEY}/eval-sets/golden/{number}").status_code == 404


def test_a_run_is_asked_for_followed_and_cancelled(caller: Caller) -> None:
    made = version()
    case("refund")
    path = RUNS.format(made.number)
    answer = caller.post(path, {"incident": "INC-7"})
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["state"], told["set"], told["counts"]["expected"]) == ("queued", {"name": "golden", "number": 1}, 1)
    assert (
        caller.client.post(path, b"", content_type="application/json", headers=caller.headers).json()["run"]
        == told["run"]
    )
    run = f"/api/v1/eval-runs/{told['run']}"
    assert caller.get(run).json()["results"] == {"items": [], "next": None}
    assert caller.post(f"{run}/cancel").json()["state"] == "cancelled"
    assert caller.get(path).json()["items"][0]["state"] == "cancelled"
    assert caller.post(path, {"only": ["stranger"]}).status_code == 422
    assert caller.post(path, {"set": "stranger"}).status_code == 404
    for number in (999, 0, 10**25):
        assert caller.get(f"/api/v1/eval-runs/{number}").status_code == 404


def test_a_junit_file_is_sent_as_the_body(caller: Caller) -> None:
    made = version()
    case("refund")

    def send(body: bytes, query: str = "") -> Any:
        path = f"{RUNS.format(made.label)}/junit{query}"
        return caller.client.post(path, body, content_type="application/xml", headers=caller.headers)

    answer = send(junit(refund="pass", stranger="fail"), "?incident=INC-7")
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["state"], told["gate"], told["unknown"], told["incident"]) == (
        "passed",
        "green",
        ["stranger"],
        "INC-7",
    )
    found = caller.get(f"/api/v1/eval-runs/{told['run']}").json()
    assert [(result["case"], result["outcome"]) for result in found["results"]["items"]] == [("refund", "pass")]
    refused = send(b"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>")
    assert refused.status_code == 422
    assert "document type" in refused.json()["error"]
    assert send(b"").status_code == 422
    assert send(b"x" * (5 * 1024 * 1024 + 1)).status_code == 422
    assert send(junit(refund="pass"), "?set=other").status_code == 404


def test_results_come_page_by_page(caller: Caller) -> None:
    made = version()
    for number in range(5):
        case(f"case-{number}", title=f"Case {number}")
    run = filed(made, **{f"case_{number}": "pass" for number in range(5)})
    path = f"/api/v1/eval-runs/{run.pk}?limit=3"
    first = caller.get(path).json()["results"]
    second = caller.get(f"{path}&cursor={first['next']}").json()["results"]
    assert (len(first["items"]), len(second["items"]), second["next"]) == (3, 2, None)
    assert caller.get(f"{path}&cursor=x").status_code == 422


def test_reading_takes_the_scope_read_and_changing_the_scope_push() -> None:
    made = version()
    case("refund")
    run = filed(made, refund="pass")
    reads = [
        CASES,
        f"/api/v1/bundles/{KEY}/eval-sets",
        f"/api/v1/bundles/{KEY}/eval-sets/golden/1",
        RUNS.format(1),
        f"/api/v1/eval-runs/{run.pk}",
    ]
    writes = [
        CASES,
        RUNS.format(1),
        f"{RUNS.format(1)}/junit",
        f"/api/v1/eval-runs/{run.pk}/cancel",
    ]
    reader, pusher, stranger = of(Scope.READ), of(Scope.PUSH), Caller("nobody")
    assert {reader.get(path).status_code for path in reads} == {200}
    assert {reader.post(path).status_code for path in writes} == {403}
    assert {pusher.get(path).status_code for path in reads} == {403}
    assert 403 not in {pusher.post(path).status_code for path in writes}
    assert {stranger.get(path).status_code for path in reads} == {401}
    assert {stranger.post(path).status_code for path in writes} == {401}
    left_out = f"{CASES}/refund/remove"
    assert {caller.post(left_out).status_code for caller in (reader, pusher)} == {403}
    assert of(Scope.APPROVER).post(left_out).status_code != 403


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_command_line_asks_for_a_run_and_waits_for_it(live_server: LiveServer, tmp_path: Path) -> None:
    shell = Shell(live_server.url, tmp_path, token(Scope.PUSH, Scope.READ)[1])
    practised(KEY)
    for label in (BAD, FIX):
        push(KEY, VERSIONS[label], actor=machine())
    case("approved", inputs={"amount": 480, "approved": 480})
    assert "is queued:" in shell("eval", KEY).stdout
    stop = threading.Event()
    worker = threading.Thread(target=work, args=[stop])
    worker.start()
    try:
        assert f"{KEY}@{FIX}: passed, 1 of 1 passed." in shell("eval", KEY, "--wait").stdout
        failed = shell("eval", KEY, "--number", "1", "--only", "approved", "--wait", expect=1)
        assert f"{KEY}@{BAD}: failed, 0 of 1 passed." in failed.stdout
        assert "The run has failed." in failed.stderr
    finally:
        stop.set()
        worker.join()
    results = tmp_path / "results.xml"
    results.write_bytes(junit(approved="fail"))
    assert f"{KEY}@{FIX}: failed, 0 of 1 passed." in shell("eval", KEY, "--junit", str(results), expect=1).stdout
    results.write_bytes(b"<!DOCTYPE x><testsuites/>")
    assert "document type" in shell("eval", KEY, "--junit", str(results), expect=1).stderr.lower()
    assert "cannot be read" in shell("eval", KEY, "--junit", str(tmp_path / "none.xml"), expect=2).stderr
    assert "no eval set called 'other'" in shell("eval", KEY, "--set", "other", expect=1).stderr
    assert EvalRun.objects.filter(source=EvalRun.Source.JUNIT).count() == 1


def work(stop: threading.Event) -> None:
    """A worker's thread, until told otherwise."""
    from django.db import connection

    try:
        while not stop.is_set():
            if eval_work.execute_due(stop=stop) is None:
                stop.wait(0.1)
    finally:
        connection.close()
