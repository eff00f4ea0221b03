"""The JSON API of incidents: CONTRACT §3 to the letter, and what each caller is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import clock
from accounts.models import ApiToken, SiteRole
from incidents.models import Alert, Incident, Integration, Receipt
from incidents.operations import acknowledge, contain, note, resolve
from tests.callers import Caller, signed_in
from tests.factories.accounts import person, token
from tests.factories.incidents import incident, page_of, signed, someone
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db

LIST = "/api/v1/incidents"
MEMBERS = {
    "ref", "title", "severity", "step", "status", "kind", "opened_at", "acknowledged_at", "acknowledged_by",
    "deployment", "header", "alerts", "url",
}  # fmt: skip


@pytest.fixture
def robot(db: None) -> Caller:
    return Caller(token()[1])


@pytest.fixture
def mara(db: None) -> Caller:
    return signed_in(someone("Mara"))


def test_an_incident_has_exactly_the_members_of_the_contract(robot: Caller) -> None:
    room = incident(
        running("1.0.0"),
        header={"reference": "customer-service/prod/default/1.0.0", "metric": "schema_valid", "threshold": 95},
    )
    (item,) = robot.get(LIST).json()["items"]
    assert set(item) == MEMBERS
    assert item["ref"] == room.ref
    assert item["deployment"] == "customer-service/prod"
    assert item["header"] == {
        "at": None,
        "reference": "customer-service/prod/default/1.0.0",
        "metric": "schema_valid",
        "comparator": None,
        "threshold": 95,
        "value": None,
        "window": None,
    }
    assert item["opened_at"].endswith("Z")
    assert item["url"].endswith(f"/i/{room.ref}/")
    assert (item["alerts"], item["acknowledged_by"]) == (0, None)
    whole = robot.get(f"{LIST}/{room.ref}").json()
    assert set(whole) == MEMBERS | {"timeline", "causes", "origin"}
    assert set(whole["timeline"][0]) == {"at", "kind", "actor", "actor_kind", "text"}
    assert whole["timeline"][0]["actor_kind"] == "automation"


def test_an_incident_without_a_known_agent_has_a_null_deployment(robot: Caller) -> None:
    ref = robot.post(LIST, {"title": "Something"}).json()["ref"]
    assert robot.get(f"{LIST}/{ref}").json()["deployment"] is None


def test_a_ref_may_be_a_number_and_anything_else_is_not_found(robot: Caller) -> None:
    room = incident()
    number = room.ref.removeprefix("INC-")
    for ref in (number, room.ref.lower(), f"INC-0{number}"):
        assert robot.get(f"{LIST}/{ref}").json()["ref"] == room.ref
    for ref in ("INC-999999", "9" * 40, "DRL-1", "x", "٣"):
        answer = robot.get(f"{LIST}/{ref}")
        assert answer.status_code == 404
        assert "no incident" in answer.json()["error"]


def test_open_means_not_resolved(robot: Caller) -> None:
    stands, over = incident(), incident()
    contain.waive(over, actor=person(), reason="r")
    resolve.resolve(over, actor=person(), origin="unknown", resolution="r", no_case_reason="c")
    assert [item["ref"] for item in robot.get(f"{LIST}?open=true").json()["items"]] == [stands.ref]
    assert [item["ref"] for item in robot.get(f"{LIST}?open=false").json()["items"]] == [over.ref]
    assert len(robot.get(LIST).json()["items"]) == 2


def test_a_list_is_paged_by_cursor_without_gap_or_repeat(robot: Caller) -> None:
    refs = [incident().ref for _ in range(5)]
    found: list[str] = []
    answer = robot.get(f"{LIST}?limit=2").json()
    while True:
        found += [item["ref"] for item in answer["items"]]
        if answer["next"] is None:
            break
        incident()  # what opens meanwhile is on the first page, and shifts nothing
        answer = robot.get(f"{LIST}?limit=2&cursor={answer['next']}").json()
    assert found == refs[::-1]
    assert robot.get(f"{LIST}?cursor=abc").status_code == 422
    assert robot.get(f"{LIST}?limit=0").status_code == 422
    assert robot.get(f"{LIST}?open=perhaps").status_code == 422


def test_the_number_of_queries_does_not_grow(robot: Caller) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert robot.get(path).status_code == 200
        return len(captured)

    room = incident(running("1.0.0"))
    acknowledge.acknowledge(room, actor=person())
    robot.get(LIST)
    few = queries(LIST), queries(f"{LIST}/{room.ref}")
    for key in ("a", "b", "c"):
        acknowledge.acknowledge(incident(running("1.0.0", key=key)), actor=person())
        note.add(room, actor=person(), text="seen")
    assert (queries(LIST), queries(f"{LIST}/{room.ref}")) == few


def test_alerts_counts_distinct_alerts(robot: Caller) -> None:
    room, at = incident(), clock.now()
    integration = Integration.objects.create(source="generic", name="g", digest="d", hint="h")
    for key in ("a", "b"):
        Alert.objects.create(
            integration=integration, incident=room, dedup_key=key, title=key, started_at=at, first_received_at=at,
            last_received_at=at, content_digest=key, grouped_by="test",
        )  # fmt: skip
    assert robot.get(f"{LIST}/{room.ref}").json()["alerts"] == 2


def test_declaring_answers_201_with_the_incident(robot: Caller) -> None:
    running("1.0.0")
    answer = robot.post(
        LIST,
        {
            "title": "Refunds twice",
            "severity": "SEV2",
            "deployment": "customer-service",
            "started_at": "2026-01-01T10:00:00+01:00",
            "detection_source": "finance",
            "note": "EU only",
        },
    )
    assert answer.status_code == 201
    made = answer.json()
    assert (made["severity"], made["deployment"], made["step"]) == ("SEV2", "customer-service/prod", "detect")
    assert [entry["kind"] for entry in made["timeline"]] == ["declared", "note"]
    assert Incident.objects.get().started_at.isoformat() == "2026-01-01T09:00:00+00:00"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"title": ""}, 422),
        ({"title": 7}, 422),
        ({"title": "a\0b"}, 422),
        ({"title": "t", "severity": "bad"}, 422),
        ({"title": "t", "started_at": "2026-01-01T10:00:00"}, 422),
        ({"title": "t", "surprise": 1}, 422),
        ({"title": "t", "deployment": "nobody/prod"}, 404),
        ({"title": "t", "deployment": "///"}, 404),
    ],
)
def test_declaring_what_does_not_fit_is_refused_with_a_sentence(robot: Caller, body: Any, status: int) -> None:
    answer = robot.post(LIST, body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert not Incident.objects.exists()


def test_a_token_cannot_acknowledge_and_is_told_why(robot: Caller) -> None:
    room = incident()
    answer = robot.post(f"{LIST}/{room.ref}/acknowledge")
    assert answer.status_code == 403
    assert "person" in answer.json()["error"]
    room.refresh_from_db()
    assert room.acknowledged_at is None


def test_a_person_at_the_command_line_acknowledges(mara: Caller) -> None:
    room = incident()
    answer = mara.post(f"{LIST}/{room.ref}/acknowledge")
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] == "Mara"
    jo = signed_in(someone("Jo"))
    second = jo.post(f"{LIST}/{room.ref}/acknowledge")
    assert second.status_code == 409
    assert "Mara acknowledged" in second.json()["error"]


def test_the_whole_of_an_incident_can_be_worked_through_the_api(mara: Caller, robot: Caller) -> None:
    running("1.0.0")
    ref = robot.post(LIST, {"title": "Refunds twice"}).json()["ref"]
    at = f"{LIST}/{ref}"
    assert robot.post(f"{at}/deployment", {"deployment": "customer-service/prod"}).status_code == 200
    assert mara.post(f"{at}/acknowledge").json()["step"] == "triage"
    noted = robot.post(f"{at}/note", {"text": "EU only"})
    assert (noted.status_code, noted.json()["text"]) == (201, "EU only")
    assert robot.post(f"{at}/severity", {"severity": "SEV1"}).json()["severity"] == "SEV1"
    assert robot.post(f"{at}/severity", {"severity": "SEV4"}).status_code == 403
    assert mara.post(f"{at}/duty", {"duty": "commander"}).status_code == 200
    assert mara.delete(f"{at}/duty/commander").status_code == 200
    refused = robot.post(f"{at}/triage", {"rollback_answer": "not_help", "close": True})
    assert (refused.status_code, refused.json()["reasons"]) == (409, ["Choose a branch."])
    done = robot.post(f"{at}/triage", {"rollback_answer": "not_help", "branch": "user", "close": True})
    assert done.json()["step"] == "contain"
    fix = {"origin": "user_side", "resolution": "They stopped.", "no_case_reason": "Nothing of ours was wrong."}
    refused = mara.post(f"{at}/resolve", fix)
    assert refused.status_code == 409
    assert refused.json()["reasons"]
    assert robot.post(f"{at}/waive", {"reason": "r"}).status_code == 403
    assert mara.post(f"{at}/waive", {"reason": "nothing runs"}).json()["step"] == "resolve"
    assert robot.post(f"{at}/resolve", fix).status_code == 403
    assert mara.post(f"{at}/resolve", fix).json()["status"] == "resolved"
    refused = mara.post(f"{at}/document", {})
    assert (refused.status_code, refused.json()["reasons"]) == (
        409,
        ["Begin the postmortem: it is drafted from the record."],
    )
    actor = person()
    signed(page_of(Incident.objects.get(ref=ref), actor), actor)
    assert mara.post(f"{at}/document", {}).json()["status"] == "closed"
    assert mara.post(f"{at}/note", {"text": "late"}).status_code == 409
    assert robot.post(f"{at}/reopen", {"reason": "again"}).json()["step"] == "resolve"


def test_triage_and_postmortem_are_skipped_with_a_reason(mara: Caller) -> None:
    at = f"{LIST}/{incident().ref}"
    mara.post(f"{at}/acknowledge")
    assert mara.post(f"{at}/triage", {"skip_reason": "clear"}).json()["step"] == "contain"
    mara.post(f"{at}/waive", {"reason": "r"})
    mara.post(f"{at}/resolve", {"origin": "unknown", "resolution": "r", "no_case_reason": "c"})
    assert mara.post(f"{at}/document", {"skip_reason": "A test of the monitor."}).json()["step"] == "closed"


def test_a_duty_is_given_by_address(robot: Caller) -> None:
    at, jo = f"{LIST}/{incident().ref}", someone("Jo")
    assert robot.post(f"{at}/duty", {"duty": "scribe", "person": jo.email.upper()}).status_code == 200
    assert robot.post(f"{at}/duty", {"duty": "scribe"}).status_code == 422
    assert robot.post(f"{at}/duty", {"duty": "scribe", "person": "no@example.com"}).status_code == 404


def test_a_read_only_token_changes_nothing_and_a_stranger_sees_nothing() -> None:
    room = incident()
    reader = Caller(token("read")[1])
    assert reader.get(f"{LIST}/{room.ref}").status_code == 200
    assert reader.post(LIST, {"title": "t"}).status_code == 403
    for verb in ("note", "severity", "duty", "deployment", "triage", "waive", "resolve", "document", "reopen"):
        assert reader.post(f"{LIST}/{room.ref}/{verb}", {}).status_code == 403
    stranger = Caller("lgt_invented")
    for path in (LIST, f"{LIST}/{room.ref}", "/api/v1/receipts"):
        assert stranger.get(path).status_code == 401
    viewer = signed_in(someone("Vi", SiteRole.VIEWER))
    assert viewer.get(LIST).status_code == 200
    assert viewer.post(f"{LIST}/{room.ref}/acknowledge").status_code == 403
    assert not ApiToken.objects.filter(name="lgt_invented").exists()


def test_quarantined_receipts_are_listed(robot: Caller) -> None:
    integration = Integration.objects.create(source="generic", name="g", digest="d", hint="h")
    for status in ("processed", "quarantined"):
        Receipt.objects.create(
            integration=integration, received_at=clock.now(), body=b"{", status=status, error="line 1"
        )
    (item,) = robot.get("/api/v1/receipts?status=quarantined").json()["items"]
    assert (item["status"], item["source"], item["error"]) == ("quarantined", "generic", "line 1")
    assert len(robot.get("/api/v1/receipts").json()["items"]) == 2
    assert robot.get("/api/v1/receipts?status=lost").status_code == 422


def test_the_list_of_one_agents_incidents(robot: Caller) -> None:
    mine = incident(running("1.0.0", key="refunds.emea"))
    incident(running("1.0.0", key="search"))
    assert [item["ref"] for item in robot.get(f"{LIST}?open=true&agent=refunds").json()["items"]] == [mine.ref]
    assert robot.get(f"{LIST}?agent=%00").status_code == 422
