"""Bodies that cannot be meant, at every door that takes one: refused with a sentence, and nothing is changed."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.faults.scene import alarm, count, intake, room_about, ship
from tests.processes import Workbench

pytestmark = pytest.mark.story


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


BODIES = {
    "empty": b"",
    "truncated": b'{"a": [1, 2',
    "10 MB": b'{"a": "' + b"x" * 10_000_000 + b'"}',
    "65 levels": deep(65),
    "a thousand levels": deep(1000),
    "not UTF-8": b'{"a": "\xff"}',
    "a key twice": b'{"a": 1, "a": 2}',
    "a form": b"a=1&b=2",
    "NaN": b'{"a": NaN}',
}
#: What OTLP skips unread when it stands in a member that no version of the protocol knows.
SKIPPED = {"65 levels": 200, "a thousand levels": 200, "not UTF-8": 200, "a key twice": 200}
#: door → what it answers; ``else`` for every body that is not named.
ANSWERS: dict[str, dict[str, int]] = {
    "intake": {"10 MB": 413, "else": 202},
    # an evaluation skips members it does not know, so a second one changes nothing
    "one flag": {"10 MB": 413, "a key twice": 200, "else": 400},
    "all flags": {"10 MB": 413, "a key twice": 200, "else": 400},
    "traces": {"10 MB": 200, **SKIPPED, "else": 400},
    "Langfuse traces": {"10 MB": 200, **SKIPPED, "else": 400},
    "protobuf traces": {"empty": 200, "else": 400},
    "push": {"empty": 422, "10 MB": 422, "else": 400},
    "promote": {"empty": 422, "10 MB": 422, "else": 400},
    "declare": {"empty": 422, "10 MB": 422, "else": 400},
    "note": {"empty": 422, "10 MB": 422, "else": 400},
    "roll back": {"empty": 0, "10 MB": 422, "else": 400},  # an empty body is a press
    "stop": {"empty": 0, "10 MB": 422, "else": 400},
    "poll a login": {"empty": 422, "10 MB": 422, "else": 400},
}
KEPT = (
    *("incidents_incident", "incidents_alert", "incidents_timelineentry", "rollouts_bundleversion"),
    *("rollouts_activation", "rollouts_rollback", "rollouts_stop", "rollouts_invocation"),
)


def doors(site: Workbench, room: str) -> dict[str, tuple[str, dict[str, str]]]:
    secrets, token = site.credentials, site.token()
    agent = {"Authorization": f"Bearer {secrets['ofrep_key']}"}
    reporter = {"Authorization": f"Bearer {secrets['otlp_key']}"}
    langfuse = {"Authorization": "Basic " + b64encode(f"any:{secrets['ofrep_key']}".encode()).decode()}
    return {
        "intake": (intake(site), {}),
        "one flag": ("/ofrep/v1/evaluate/flags/bad-bodies", agent),
        "all flags": ("/ofrep/v1/evaluate/flags", agent),
        "traces": ("/v1/traces", reporter),
        "Langfuse traces": ("/api/public/otel/v1/traces", langfuse),
        "protobuf traces": ("/v1/traces", {**reporter, "Content-Type": "application/x-protobuf"}),
        "push": ("/api/v1/bundles/bad-bodies/versions", token),
        "promote": ("/api/v1/deployments/bad-bodies/prod/promote", token),
        "declare": ("/api/v1/incidents", token),
        "note": (f"/api/v1/incidents/{room}/note", token),
        "roll back": ("/api/v1/deployments/bad-bodies/prod/rollback", token),
        "stop": ("/api/v1/deployments/bad-bodies/prod/stop", token),
        "poll a login": ("/api/v1/login/poll", {}),
    }


@pytest.fixture(scope="module")
def room(shared: Workbench) -> str:
    ship(shared, "bad-bodies")
    shared.eventually(lambda: count(shared, "rollouts_bundle", "key = 'bad-bodies'"))
    return room_about(shared, "bad-bodies")


@pytest.mark.parametrize("door", ANSWERS)
def test_a_body_that_cannot_be_meant_is_refused_and_changes_nothing(site: Workbench, room: str, door: str) -> None:
    path, headers = doors(site, room)[door]
    before = {table: count(site, table) for table in KEPT}
    for name, raw in BODIES.items():
        expected = ANSWERS[door].get(name, ANSWERS[door]["else"])
        if not expected:
            continue
        answer = site.http.post(path, content=raw, headers={"Content-Type": "application/json", **headers})
        assert answer.status_code == expected, f"{name}: {answer.status_code} {answer.text[:300]}"
        if expected >= 400:
            assert sentence(answer), f"{name}: {answer.text[:300]}"
    assert {table: count(site, table) for table in KEPT} == before


def sentence(answer: httpx.Response) -> Any:
    """Why, in whichever shape the door's protocol has for it."""
    if "json" not in answer.headers["content-type"]:
        return answer.content
    said = answer.json()
    return said.get("error") or said.get("errorDetails") or said.get("message")


@pytest.mark.parametrize("door", ["push", "declare", "roll back"])
def test_a_body_beyond_what_is_read_is_refused_before_it_is_read(site: Workbench, room: str, door: str) -> None:
    path, headers = doors(site, room)[door]
    answer = site.http.post(path, content=b"x" * (17 * 1024 * 1024), headers=headers)
    assert (answer.status_code, answer.json()) == (413, {"error": "The body is too large."})


def test_content_types_decide_where_there_is_a_choice_and_nowhere_else(site: Workbench, room: str) -> None:
    known = doors(site, room)
    nonsense = {"Content-Type": "text/nonsense"}
    assert site.http.post(known["traces"][0], content=b"{}", headers=known["traces"][1] | nonsense).status_code == 415
    flag = site.http.post(known["one flag"][0], content=b'{"context": {}}', headers=known["one flag"][1] | nonsense)
    assert flag.status_code == 200
    alert = site.http.post(intake(site), json=alarm("bad-bodies", "about bad-bodies"), headers=nonsense)
    assert alert.status_code == 200
    note = site.http.post(known["note"][0], content=b'{"text": "Looked."}', headers=known["note"][1] | nonsense)
    assert note.is_success, note.text


def test_a_page_takes_forms_and_nothing_else_however_they_are_broken(site: Workbench, room: str) -> None:
    """Without its form's token a post never reaches the view: refused, whatever the body."""
    for raw in BODIES.values():
        for content_type in ("application/x-www-form-urlencoded", "multipart/form-data", "application/json"):
            answer = site.http.post(f"/i/{room}/note/", content=raw, headers={"Content-Type": content_type})
            assert answer.status_code in {400, 403, 413}, f"{content_type}: {answer.status_code}"
