"""What telemetry says of an incident's runs, by API: the numbers of triage, and the runs to make cases of."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from accounts.models import Scope
from incidents.operations.declare import declare
from tests.callers import Caller
from tests.factories.accounts import person, token
from tests.factories.incidents import incident
from tests.factories.rollouts import running
from tests.incidents.refunds import TRACE, refund_room, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def caller() -> Caller:
    return Caller(token(Scope.READ)[1])


def test_a_script_counts_the_failures_and_finds_a_run_to_make_a_case_of(caller: Caller, noon: datetime) -> None:
    room = refund_room(noon)
    refused(noon - timedelta(minutes=1), "6" * 32, 90)
    told = caller.get(f"/api/v1/incidents/{room.ref}/evidence").json()
    assert (told["runs"]["total"], told["runs"]["failed"], told["runs"]["failed_share"]) == (2, 2, 1.0)
    assert told["runs"]["schema_valid_share"] == 1.0
    assert told["since"] < told["until"]
    (pattern,) = told["patterns"]
    assert (pattern["error_type"], pattern["runs"]) == ("refund_over_agent_limit", 2)
    newest, earlier = told["failed"]
    assert (newest["day"], newest["trace_id"], newest["version"]) == ("2026-11-20", TRACE, "2.1.0")
    assert (newest["tools"], newest["region"]) == (["issue_refund"], None)
    assert earlier["trace_id"] == "6" * 32
    assert caller.get(f"/api/v1/incidents/{room.ref}/evidence?limit=1").json()["failed"] == [newest]
    assert caller.get(f"/api/v1/incidents/{room.ref}/evidence?limit=101").status_code == 422


def test_without_runs_every_share_is_unknown(caller: Caller) -> None:
    told = caller.get(f"/api/v1/incidents/{incident(running('1.0.0', '2.0.0')).ref}/evidence").json()
    assert told["runs"]["total"] == 0
    assert told["runs"]["failed_share"] is told["runs"]["schema_valid_share"] is None
    assert told["failed"] == told["patterns"] == told["shared"] == []
    assert (told["rollback_would"]["from"], told["rollback_would"]["to"]) == ("2.0.0", "1.0.0")


def test_an_incident_of_no_agent_has_no_evidence_yet(caller: Caller) -> None:
    room = declare(actor=person(), title="Odd answers", severity="SEV3")
    answer = caller.get(f"/api/v1/incidents/{room.ref}/evidence")
    assert answer.status_code == 409
    assert "Say which agent" in answer.json()["error"]
    assert caller.get("/api/v1/incidents/INC-999/evidence").status_code == 404


def test_what_runs_said_is_for_those_who_may_read() -> None:
    stranger = Caller(token(Scope.PUSH)[1])
    assert stranger.get(f"/api/v1/incidents/{incident().ref}/evidence").status_code == 403
