"""The schema contract, whole: from the alert to the quarter's review, by API and real processes.

forge/prod/system/1.4.0 lets the model write fields as it likes: the schema-valid rate falls below 95 %. The press goes
back to 1.3.2; a failing run becomes a case; 1.4.1 proves itself on it and goes through the gates; the postmortem is
published, signed and counted. Whoever wants to know hears of it by webhook.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from accounts.operations import audit
from incidents.models import Incident
from incidents.operations import timeline
from rollouts.practice.scenarios.schema_contract import LOOSE, SCENARIO, STRICT, TOOL, version
from tests import databases
from tests.hooks import Hook, listening, verified
from tests.processes import Workbench
from tests.smoke.circle import AS_SAID, DEPLOYMENTS, KEY, ORDER, VERSIONS, Circle
from tests.smoke.person import Api, log_in
from tests.smoke.visitor import Visitor

pytestmark = [pytest.mark.story]
REFERENCE = "forge/prod/system/1.4.0"
GOOD, BAD, HALF, FIX = "1.3.2", "1.4.0", "1.4.1-rc1", "1.4.1"


def test_the_schema_contract(start_workbench: Callable[..., Workbench]) -> None:
    with listening() as hook:
        runner = {"EVAL_COMMAND": f"{sys.executable} -m rollouts.practice.runner", "PYTHONPATH": str(settings.BASE_DIR)}
        env = {"WEBHOOK_ALLOW_PRIVATE": "127.0.0.1", "EVAL_ENV": "PYTHONPATH"} | runner
        workbench = start_workbench("server", "worker", "clock", env=env)
        sign_in = json.loads(workbench.manage("prepare", "--json").stdout)["sign_in"]
        ada = log_in(workbench, sign_in)
        invited = ada.post("/people", {"email": "jo@example.com", "name": "Jo", "roles": ["responder", "commander"]})
        jo = log_in(workbench, invited["sign_in_url"])
        circle = Circle(workbench, Api(workbench.http, workbench.credentials["token"]), ada, jo)
        secret = ada.post("/destinations", {"kind": "webhook", "name": "Chat room", "address": hook.url})["secret"]
        live_through(circle)
        heard(circle, hook, secret)
        with databases.pointed_at(workbench.dsn["dbname"]):
            assert timeline.first_broken(Incident.objects.get(ref=circle.ref)) is None
            assert audit.first_broken() is None


def live_through(circle: Circle) -> None:
    ship(circle, GOOD)
    circle.telemetry(GOOD, failing=0, of=30)
    ship(circle, BAD)
    circle.telemetry(BAD, failing=12, of=40)
    alert(circle)
    triage(circle)
    contain(circle)
    prove(circle)
    promote_the_fix(circle)
    resolve(circle)
    document(circle)
    review(circle)


# -- before ------------------------------------------------------------------------------------------------------------
def ship(circle: Circle, label: str) -> None:
    """dev without gates, staging and prod behind them: no bundle has cases yet, so a result is recorded."""
    script, number = circle.script, circle.push(SCENARIO.versions[label])
    script.post(f"{DEPLOYMENTS}/dev/promote", {"number": number}, 200)
    refused = script.post(f"{DEPLOYMENTS}/staging/promote", {"number": number}, 409)
    assert "Gate evals has no result" in refused["reasons"][0]
    script.post(f"{VERSIONS}/{label}/gates", {"gate": "evals", "state": "green", "detail": "golden, 40 of 40"})
    refused = script.post(f"{DEPLOYMENTS}/prod/promote", {"number": number}, 409)
    assert "staging" in refused["reasons"][0]
    for environment in ("staging", "prod"):
        promoted = script.post(f"{DEPLOYMENTS}/{environment}/promote", {"number": number}, 200)
        assert (promoted["to"]["label"], promoted["waiver"]) == (label, None)


# -- detect, triage, contain -------------------------------------------------------------------------------------------
def alert(circle: Circle) -> None:
    """The monitor speaks Events v2; the header is what it sent."""
    details = {"reference": REFERENCE, "metric": "schema_valid_rate", "comparator": "<", "threshold": 0.95}
    details |= {"value": 0.7, "window": "2 h"}
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    payload: dict[str, object] = {
        "summary": "Schema-valid rate below 95 %",
        "source": "forge-monitor",
        "severity": "error",
    }
    payload |= {"timestamp": at, "custom_details": details}
    sent = circle.enqueue("enqueue", event_action="trigger", dedup_key="schema", payload=payload)
    assert sent["dedup_key"] == "schema"
    (found,) = circle.script.get("/incidents?open=true")["items"]
    circle.ref = found["ref"]
    assert (found["severity"], found["step"], found["deployment"]) == ("SEV2", "detect", f"{KEY}/prod")
    assert found["header"] == details | {"at": at}
    about = {"summary": "work-orders 7.2 reads priority", "source": "ci", "custom_details": {"reference": REFERENCE}}
    circle.enqueue("change/enqueue", payload=about)
    assert circle.entries("change") == ["Changed: work-orders 7.2 reads priority (ci)"]


def triage(circle: Circle) -> None:
    circle.people_only("/acknowledge")
    assert circle.jo.post(f"{circle.room}/acknowledge", status=200)["acknowledged_by"] == "Jo"
    told = circle.script.get(f"{circle.room}/evidence")
    assert (told["runs"]["failed"], told["runs"]["total"], told["runs"]["schema_valid"]) == (12, 70, 58)
    assert [(each["error_type"], each["runs"]) for each in told["patterns"]] == [("schema_invalid", 12)]
    assert told["rollback_would"]["advice"] == "stop_the_bleed"
    answers = {"rollback_answer": "stop_the_bleed", "branch": "version", "diagnosis": "spec_gap"}
    refused = circle.jo.post(f"{circle.room}/triage", {"close": True}, 409)
    assert len(refused["reasons"]) == 2
    assert circle.jo.post(f"{circle.room}/triage", answers | {"close": True}, 200)["step"] == "contain"


def contain(circle: Circle) -> None:
    """An empty body goes back to the last good version; the monitor sees that it helped."""
    rolled_back = circle.jo.post(f"{DEPLOYMENTS}/prod/rollback")
    assert (rolled_back["from"]["label"], rolled_back["to"]["label"]) == (BAD, GOOD)
    assert rolled_back["incident"] == circle.ref
    again = circle.script.post(f"{DEPLOYMENTS}/prod/rollback", status=200)
    assert again["rollback"] == rolled_back["rollback"]
    assert circle.incident()["status"] == "contained"
    circle.until(lambda: circle.served() == GOOD)
    legs = f"/rollbacks/{rolled_back['rollback']}"
    left = [leg["kind"] for leg in circle.script.get(legs)["legs"] if leg["state"] == "open"]
    assert left
    circle.script.post(f"{legs}/legs/{left[0]}", {"state": "done"}, 403)
    circle.jo.post(f"{legs}/legs/{left[0]}", {"state": "done"}, 200)
    for kind in left[1:]:
        circle.jo.post(f"{legs}/legs/{kind}", {"state": "waived"}, 422)
        circle.jo.post(f"{legs}/legs/{kind}", {"state": "waived", "reason": "Nothing is kept there."}, 200)
    assert {leg["state"] for leg in circle.script.get(legs)["legs"]} <= {"done", "waived", "not_applicable"}
    circle.enqueue("enqueue", event_action="resolve", dedup_key="schema")
    circle.until(lambda: circle.incident()["status"] == "recovered")
    assert circle.entries("alert_resolved") == ["1 alert resolved: Schema-valid rate below 95 %"]


# -- resolve -----------------------------------------------------------------------------------------------------------
def prove(circle: Circle) -> None:
    """A case of the failing run and one of our own: they fail on the version that was bad, and pass on the good one."""
    room = circle.room
    failing = {name: circle.script.get(f"{room}/evidence?limit=1")["failed"][0][name] for name in ("day", "trace_id")}
    circle.people_only("/causes", {"origin": "prompt_change"})
    cause = circle.jo.post(f"{room}/causes", {"origin": "prompt_change", "confidence": "known"})
    refused = circle.jo.post(f"{room}/resolve", {"resolution": "Rolled back."}, 409)
    assert any("Make a case" in reason for reason in refused["reasons"]), refused

    made = circle.script.post(f"{room}/cases", failing)
    assert (made["check"], made["eval_set"]) == ("json_schema", "golden")
    assert circle.script.post(f"{room}/cases", failing, 200) == made
    check = {"kind": "assertion", "body": {"path": "outcome", "operator": "equals", "value": "filed"}}
    urgent = {
        "title": "What is critical is filed as high",
        "key": "critical",
        "inputs": {"message": "priority"},
        "check": check,
        "repeats": 3,
        "bad_version": BAD,
        "covers": [cause["id"]],
    }
    circle.script.post(f"{room}/cases", urgent)
    (covered,) = circle.script.get(f"{room}/causes")["items"]
    assert [case["key"] for case in covered["cases"]] == [made["key"], "critical"]
    held = {case["key"]: case for case in circle.script.get(f"/bundles/{KEY}/cases")["items"]}
    assert held[made["key"]]["inputs"]["tool_calls"] == [{"name": TOOL, "arguments": AS_SAID}]
    assert held[made["key"]]["expected"]["tool_calls"][0]["arguments"] == ORDER
    assert held[made["key"]]["bad_version"]["label"] == BAD

    failed = circle.run(BAD, made["key"], "critical")
    assert (failed["state"], failed["counts"]["failed"], failed["counts"]["expected"]) == ("failed", 4, 4)
    passed = circle.run(GOOD, made["key"], "critical")
    assert (passed["state"], passed["counts"]["passed"], passed["gate"]) == ("passed", 4, None)
    circle.until(lambda: len(circle.entries("eval_run")) == 2)


def promote_the_fix(circle: Circle) -> None:
    """Half a fix is red and stays out, whatever reason is given; the whole of it goes through without a waiver."""
    script = circle.script
    half = circle.push(
        version(HALF, LOOSE | {"due": STRICT["due"]}, "The day as a date.", "Schema-valid rate above 95 %")
    )
    assert (red := circle.run(HALF))["gate"] == "red", red
    assert (red["counts"]["passed"], red["counts"]["failed"]) == (1, 3)
    waiver = {"reason": "It is urgent.", "expires_at": "2099-01-01T00:00:00Z"}
    for body in ({"number": half}, {"number": half, "waiver": waiver}):
        refused = script.post(f"{DEPLOYMENTS}/staging/promote", body, 409)
        assert any("evals is red" in reason for reason in refused["reasons"]), refused

    whole = circle.push(SCENARIO.versions[FIX])
    refused = script.post(f"{DEPLOYMENTS}/staging/promote", {"number": whole}, 409)
    assert any(f"Run {KEY}:golden@2 (2 cases) on {FIX}." in reason for reason in refused["reasons"]), refused
    assert (green := circle.run(FIX))["gate"] == "green", green
    assert green["whole_set"]
    for environment in ("staging", "prod"):
        promoted = script.post(f"{DEPLOYMENTS}/{environment}/promote", {"number": whole}, 200)
        assert promoted["waiver"] is None
    deployment = script.get(f"{DEPLOYMENTS}/prod")
    assert (deployment["active"]["label"], deployment["last_good"]["label"]) == (FIX, GOOD)
    circle.until(lambda: circle.served() == FIX)


def resolve(circle: Circle) -> None:
    said = {"resolution": "Back to 1.3.2; 1.4.1 keeps the customer's words in the note."}
    circle.people_only("/resolve", said)
    resolved = circle.jo.post(f"{circle.room}/resolve", said, 200)
    assert (resolved["status"], resolved["step"], resolved["origin"]) == ("resolved", "document", "prompt_change")


# -- document and review -----------------------------------------------------------------------------------------------
def document(circle: Circle) -> None:
    """Drafted from the record, read back whole, refused for an action of nobody, published, signed by two, closed."""
    room, jo = circle.room, circle.jo
    path = f"{room}/postmortem"
    drafted = circle.script.post(path)
    assert drafted["impact"]["runs"]["failed"] == 12, drafted["impact"]
    assert (drafted["bundle"]["from"]["label"], drafted["bundle"]["to"]["label"]) == (BAD, GOOD)
    (tried,) = (case["tried"] for case in drafted["cases"] if case["key"] == "critical")
    counted = {each["version"]: (each["failed"], each["tries"]) for each in tried}
    assert counted == {BAD: (3, 3), GOOD: (0, 3), HALF: (3, 3), FIX: (0, 3)}
    read = jo.ask("GET", path)
    page = read.json()
    page["sections"] |= {
        "root_cause": {"text": "1.4.0 told the model to keep the customer's own words in fields others parse."},
        "impact": {"text": f"Every third order could not be read for two hours ([runs](/i/{circle.ref}/triage/))."},
        "resolution": {"text": "Roll back to 1.3.2, then 1.4.1."},
        "prevention": {"text": "The golden set holds what failed."},
    }
    page["ownership"] = {"made_by": "Ines", "reviewed_by": "Tomas", "next_owner": "Forge team", "path": "push"}
    for layer in page["layers"]:
        if layer["layer"] == "instruction":
            layer |= {"finding": "implicated", "evidence": f"/bundles/{KEY}/diff/{GOOD}..{BAD}/"}
    for row in page["escapes"]:
        row["answer"] = "No case had a date said in words."
    page["actions"] = [{"text": "Refuse orders that break the schema at the door.", "kind": "gate"}]
    match = {"If-Match": read.headers["etag"]}
    put = jo.ask("PUT", path, page, headers=match).json()
    assert jo.ask("PUT", path, page, 409, headers=match).json()["theirs"]
    lesson = {"text": "A prompt is a contract with whoever reads it.", "version": 0}
    jo.ask("PATCH", f"{path}/sections/lessons", lesson)
    circle.ada.ask("PATCH", f"{path}/sections/lessons", lesson | {"text": "Another."}, 409)

    circle.people_only("/postmortem/publish")
    jo.post(f"{path}/publish")
    jo.post(f"{path}/sign", {"role": "commander"})
    refused = jo.post(f"{room}/document", {}, 409)
    assert "Name an owner for action 1." in refused["reasons"]
    (action,) = put["editing"]["actions"]
    owned = {"owner": "jo@example.com", "due_on": (datetime.now(UTC) + timedelta(days=14)).date().isoformat()}
    owned |= {"verification": "A run with a broken order is refused."}
    jo.ask("PATCH", f"{path}/actions/{action['id']}", {"version": action["version"], "values": owned})
    revision = jo.post(f"{path}/publish")
    assert revision["number"] == 2
    circle.people_only("/postmortem/sign", {"role": "commander"})
    jo.post(f"{path}/sign", {"role": "commander"})
    jo.post(f"{path}/sign", {"role": "approver"}, 403)
    refused = jo.post(f"{room}/document", {}, 409)
    assert refused["reasons"] == ["Have revision 2 signed by an approver."]
    signed = circle.ada.post(f"{path}/sign", {"role": "approver"})
    assert {name["role"] for name in signed["signed"]} == {"commander", "approver"}
    circle.people_only("/document", {})
    closed = jo.post(f"{room}/document", {}, 200)
    assert (closed["step"], closed["status"]) == ("closed", "closed")
    jo.ask("PATCH", f"{path}/sections/lessons", lesson | {"version": 1}, 409)

    exported = jo.get(f"{path}.json")
    assert exported == jo.get(f"{path}/revisions/2")["content"]
    assert "A prompt is a contract" in jo.ask("GET", f"{path}.md").text


def review(circle: Circle) -> None:
    """The versions' pages name the revision, and the quarter counts it."""
    opened = datetime.fromisoformat(circle.incident()["opened_at"])
    quarter = f"/reviews/{opened.year}Q{(opened.month + 2) // 3}"
    found = circle.script.get(quarter)
    assert found["incidents"] == 1
    assert found["published"] == [circle.ref]
    cell = {"class": "spec_gap", "layer": "instruction", "incidents": [circle.ref], "year_before": 0}
    assert found["cells"] == [cell]
    assert found["rollbacks"]["incidents"] == [circle.ref]
    circle.script.post(f"{quarter}/start", status=403)
    circle.jo.post(f"{quarter}/start", status=200)
    decided = {"pattern": "spec_gap × instruction", "changed": True, "standard": "Prompts", "incidents": [circle.ref]}
    circle.jo.post(f"{quarter}/decisions", decided | {"text": "A prompt names the format of every field."})
    kept = circle.jo.post(f"{quarter}/close", status=200)["review"]
    assert kept["kept"]["published"] == [circle.ref]
    assert [each["pattern"] for each in kept["decisions"]] == [decided["pattern"]]
    sign_in = json.loads(circle.workbench.manage("prepare", "--json").stdout)["sign_in"]
    with Visitor(circle.workbench.url, sign_in) as visitor:
        for label, part in ((BAD, "at fault"), (GOOD, "gone back to")):
            assert circle.ref in visitor.open(f"/bundles/{KEY}/{label}/")
            assert f"{part} · revision 2" in visitor.words


# -- who heard of it ---------------------------------------------------------------------------------------------------
def heard(circle: Circle, hook: Hook, secret: str) -> None:
    """Everything that is told, each once, signed, in the order of the record."""
    told = ["opened", "acknowledged", "rollback", "recovered", "resolved", "published", "published", "documented"]
    circle.until(lambda: len({event["id"] for event in hook.events}) >= len(told))
    events = {event["id"]: event for event in (verified(secret, *got) for got in hook.got)}
    assert {event["schema"] for event in events.values()} == {"lastgood.event/1"}
    assert {event["incident"]["ref"] for event in events.values()} == {circle.ref}
    found = sorted(events.values(), key=lambda event: event["at"])
    assert [event["kind"] for event in found] == told
    by_kind = {event["kind"]: event for event in found}
    assert by_kind["rollback"]["actor"] == {"kind": "person", "label": "Jo"}
    assert f"{BAD} → {GOOD}" in by_kind["rollback"]["text"]
