"""The practice page and its API: choosing, starting, stopping, pushing the fix, and the refusals."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts import clock
from accounts.errors import NotFound, OperationRefused
from accounts.models import Scope, SiteRole
from rollouts.models import BundleVersion, Invocation, PracticeRun
from rollouts.operations import gates, kill_switch, practice
from rollouts.practice.bundles import BAD
from rollouts.practice.scenarios import SCENARIOS
from tests.factories.accounts import SHELL, machine, person, token
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db
FIRED = {"phase": "released", "has_fired": True, "rate": 0.71, "bad_instances": 20}


def signed_in(client: Client, role: str = SiteRole.ADMIN) -> Client:
    user = person(role).user
    assert user is not None
    client.force_login(user)
    return client


def bearer(*scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(*scopes)[1]}"}


def told(run: PracticeRun, **report: Any) -> dict[str, Any]:
    """What the fleet is answered when it reports so."""
    return practice.report(run.pk, FIRED | report, actor=machine(Scope.PUSH))


# -- one at a time ---------------------------------------------------------------------------------------------------
def test_another_scenario_is_refused_while_one_is_awake_and_starts_once_it_was_stopped() -> None:
    practice.begin(actor=SHELL, scenario="refund-limit")
    with pytest.raises(OperationRefused, match="The refund limit is running"):
        practice.begin(actor=SHELL, scenario="schema-contract")
    practice.rest(actor=SHELL)
    run = practice.begin(actor=SHELL, scenario="schema-contract")
    assert [(each.scenario, each.ended_at is None) for each in PracticeRun.objects.order_by("pk")] == [
        ("refund-limit", False),
        ("schema-contract", True),
    ]
    status = practice.status()
    assert status is not None
    assert status.scenario == run.scenario
    assert told(run)["scenario"] == "schema-contract"


def test_a_scenario_that_is_over_rests_and_starts_anew_when_asked_by_name() -> None:
    run = practice.begin(actor=SHELL, scenario="refund-limit")
    assert not told(run, phase="over")["wanted"]
    status = practice.status()
    assert status is not None
    assert (status.state, status.is_resting) == ("over", True)
    assert practice.begin(actor=SHELL) == run  # woken: it lives on under what runs now
    told(run, phase="over")
    assert practice.begin(actor=SHELL, scenario="refund-limit") != run


def test_an_unknown_scenario_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="schema-contract"):
        practice.begin(actor=SHELL, scenario="nonsense")


def test_a_scenario_does_not_start_while_its_agent_is_stopped() -> None:
    practice.begin(actor=SHELL)
    practice.rest(actor=SHELL)
    kill_switch.stop(running("2.0.3"), actor=person(SiteRole.ADMIN), scope="writes")
    practice.begin(actor=SHELL, scenario="one-region")
    practice.rest(actor=SHELL)
    with pytest.raises(OperationRefused, match=r"customer-service is stopped \(writes\)"):
        practice.begin(actor=SHELL, scenario="refund-limit")


def test_a_scenario_does_not_start_where_a_red_gate_keeps_its_bad_version_out() -> None:
    run = practice.begin(actor=SHELL)
    running("2.0.3", BAD)
    told(run, phase="over")
    gates.record(BundleVersion.objects.get(label=BAD), "evals", "red", actor=person(SiteRole.APPROVER))
    with pytest.raises(OperationRefused, match="red at its gate"):
        practice.begin(actor=SHELL, scenario="refund-limit")


def test_a_scenario_refuses_the_name_of_a_real_agent() -> None:
    running("1.0.0", key="forge.system")
    with pytest.raises(OperationRefused, match="called forge, and here that is a real one"):
        practice.begin(actor=SHELL, scenario="schema-contract")


# -- the fix ---------------------------------------------------------------------------------------------------------
def test_the_fix_is_asked_for_once_the_alert_has_fired_and_the_fleet_is_told() -> None:
    with pytest.raises(OperationRefused, match="start one first"):
        practice.push_fix(actor=SHELL)
    run = practice.begin(actor=SHELL)
    with pytest.raises(OperationRefused, match="Nothing is wrong yet"):
        practice.push_fix(actor=SHELL)
    assert told(run)["wishes"] == []
    practice.push_fix(actor=SHELL)
    practice.push_fix(actor=SHELL)
    assert told(run)["wishes"] == ["fix"]


def test_the_fix_wakes_a_fleet_that_rests() -> None:
    run = practice.begin(actor=SHELL)
    told(run)
    practice.rest(actor=SHELL)
    assert not told(run)["wanted"]
    practice.push_fix(actor=SHELL)
    assert told(run)["wanted"]


def test_there_is_no_fix_for_what_is_not_ours() -> None:
    run = practice.begin(actor=SHELL, scenario="one-region")
    told(run)
    with pytest.raises(OperationRefused, match="no fix to push"):
        practice.push_fix(actor=SHELL)


# -- the page --------------------------------------------------------------------------------------------------------
def test_the_page_says_of_every_scenario_what_happens_what_it_teaches_and_how_long(client: Client) -> None:
    shown = unescape(signed_in(client, SiteRole.VIEWER).get("/practice/").content.decode())
    for scenario in SCENARIOS.values():
        assert scenario.title in shown
        assert f"about {scenario.minutes} min" in shown
        assert scenario.key in shown
    assert "Nothing is running" in shown
    assert "An admin starts and stops practice." in shown
    assert "/practice/start/" not in shown


def test_the_page_starts_stops_and_pushes_and_leads_back_to_itself(client: Client) -> None:
    signed_in(client)
    pressed = client.post("/practice/start/", {"scenario": "schema-contract", "next": "/practice/"})
    assert (pressed.status_code, pressed["Location"]) == (302, "/practice/")
    run = PracticeRun.objects.get()
    assert run.scenario == "schema-contract"
    refused = client.post("/practice/start/", {"scenario": "canary", "next": "/practice/"}, follow=True)
    assert "Stop it first" in refused.content.decode()
    told(run)
    assert "Push the fix" in client.get("/practice/").content.decode()
    client.post("/practice/fix/", {"next": "/practice/"})
    told(run, fixed=["1.4.1"])
    assert "/bundles/forge.system/1.4.1/" in client.get("/practice/").content.decode()
    client.post("/practice/rest/", {"next": "/practice/"})
    assert "Wake the fleet" in client.get("/practice/").content.decode()
    assert client.post("/practice/start/", {"next": "https://elsewhere.example/"})["Location"] == "/live"


def test_the_page_asks_few_questions_of_the_database(client: Client, django_assert_max_num_queries: Any) -> None:
    practice.begin(actor=SHELL)
    signed_in(client)
    client.get("/practice/")
    with django_assert_max_num_queries(10):
        client.get("/practice/")


# -- the API ---------------------------------------------------------------------------------------------------------
def test_the_api_lists_starts_and_stops(client: Client) -> None:
    reading, acting = bearer(Scope.READ), bearer(Scope.READ, Scope.APPROVER)
    listed = client.get("/api/v1/practice", headers=reading).json()
    assert listed["practice"] is None
    assert [each["name"] for each in listed["scenarios"]] == list(SCENARIOS)

    def post(verb: str, body: Any = None, headers: dict[str, str] = acting) -> Any:
        return client.post(f"/api/v1/practice/{verb}", body or {}, content_type="application/json", headers=headers)

    assert post("start", headers=reading).status_code == 403
    assert post("start", {"scenario": "nonsense"}).status_code == 404
    assert post("start", {"scenario": "schema-contract"}).json()["practice"]["scenario"] == "schema-contract"
    assert post("start", {"scenario": "canary"}).status_code == 409
    assert post("fix").status_code == 409
    assert post("stop").json()["practice"]["state"] == "resting"
    assert post("start", {"scenario": "canary"}).json()["practice"]["title"] == "The overcautious canary"


def test_telemetry_that_was_on_its_way_is_swept_for_every_agent_of_practice() -> None:
    practice.begin(actor=SHELL, scenario="canary")
    practice.remove(actor=SHELL)
    at = clock.now()
    for number, key in enumerate(("concierge", "concierge.canary", "payments")):
        Invocation.objects.create(
            day=at.date(), id=number + 1, at=at, received_at=at, trace_id="a" * 32, span_id=f"{number:016x}",
            name="invoke_agent", bundle_key=key,
        )  # fmt: skip
    practice.report(None, {}, actor=machine(Scope.PUSH))
    assert [left.bundle_key for left in Invocation.objects.all()] == ["payments"]
