"""The refund limit, whole: from 14:00 to 14:25 and its postmortem, by real processes and public doors only.

14:00 customer-service 2.1.0 goes live: refund limit $500 → $100. 14:15 the alert: success 98 % → 71 %. 14:18 on-call
presses Roll back. 14:20 switched. 14:25 normal; 200 refused refunds tried again under 2.0.3, all go through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import SiteRole, User
from accounts.operations import audit
from incidents.models import Incident, OnCall
from incidents.operations import timeline
from tests import databases
from tests.processes import Workbench
from tests.smoke.visitor import Visitor

pytestmark = [pytest.mark.story]

#: The same story, faster: minutes pass by the moved clock, seconds truly.
PACE = {
    "baseline": 2.0,
    "window": 4.0,
    "bad_for": 7.0,
    "good_for": 1.0,
    "poll": 0.5,
    "heartbeat": 0.5,
    "repeat": 4.0,
    "customers": 120.0,
    "retries": 80.0,
}
AGENT = "customer-service/prod"
#: A day that no row of the first start lies behind.
DAY = (datetime.now(UTC) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)


def at(clock: str) -> datetime:
    hours, minutes, *seconds = map(int, clock.split(":"))
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=seconds[0] if seconds else 0)


def near(moment: str | datetime, clock: str, minutes: float = 1) -> bool:
    """Whether ``moment`` is within a minute after the time of the story."""
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return timedelta() <= found - at(clock) <= timedelta(minutes=minutes)


class Story:
    """The installation and what its public doors say."""

    def __init__(self, workbench: Workbench) -> None:
        self.workbench = workbench
        self.http = workbench.http
        self.token = workbench.token()

    def get(self, path: str) -> Any:
        response = self.http.get(path, headers=self.token)
        assert response.status_code == 200, response.text
        return response.json()

    def practice(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/api/v1/practice")["practice"]
        return found

    def incidents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/v1/incidents")["items"]
        return found

    def entries(self, ref: str, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.get(f"/api/v1/incidents/{ref}")["timeline"] if entry["kind"] == kind]


def second_on_call(workbench: Workbench) -> None:
    """Somebody who is to be told of what the first does."""
    with databases.pointed_at(workbench.dsn["dbname"]):
        jo = User.objects.create_user("jo@example.com", name="Jo", roles=[SiteRole.RESPONDER])
        OnCall.objects.create(user=jo, from_at=datetime.now(UTC))


def test_the_refund_limit(start_workbench: Callable[..., Workbench]) -> None:
    workbench = start_workbench("server", "worker", "clock", env={"LASTGOOD_PRACTICE_PACE": json.dumps(PACE)})
    second_on_call(workbench)
    workbench.clock.move_to(at("13:59:50"))
    sign_in = json.loads(workbench.manage("prepare", "--json").stdout)["sign_in"]
    with Visitor(workbench.url, sign_in) as visitor:
        live_through(workbench, Story(workbench), visitor)


def live_through(workbench: Workbench, story: Story, visitor: Visitor) -> None:
    """14:00 to 14:25, and what comes after."""
    assert "All quiet" in visitor.open("/live")

    # 14:00: healthy under 2.0.3, then 2.1.0 goes live.
    workbench.start("practice")
    workbench.eventually(lambda: (story.practice() or {}).get("rate"), 20)
    assert story.get(f"/api/v1/deployments/{AGENT}")["active"]["label"] == "2.0.3"
    assert story.practice()["rate"] > 0.95
    workbench.eventually(lambda: story.get(f"/api/v1/deployments/{AGENT}")["active"]["label"] == "2.1.0", 20)
    workbench.eventually(lambda: story.practice()["bad_instances"] == 20, 10)
    assert story.incidents() == []

    # 14:15: the monitor has seen enough.
    workbench.clock.move_to(at("14:15"))
    workbench.eventually(story.incidents, 20)
    (incident,) = story.incidents()
    ref = incident["ref"]
    header = incident["header"]
    assert header["reference"] == "customer-service/prod/default/2.1.0"
    assert (header["metric"], header["comparator"], header["threshold"]) == ("refund_success_rate", "<", 0.95)
    assert header["value"] == pytest.approx(0.71, abs=0.02)
    assert header["window"] == "4 s"
    assert near(header["at"], "14:15")
    assert near(incident["opened_at"], "14:15")
    assert (incident["severity"], incident["step"], incident["status"]) == ("SEV2", "detect", "open")
    assert (incident["deployment"], incident["alerts"]) == (AGENT, 1)
    workbench.eventually(lambda: workbench.sql("SELECT count(*) FROM incidents_page WHERE done_at IS NULL") == [(0,)])
    assert workbench.sql("SELECT count(*) FROM incidents_page") == [(2,)]  # both who are on call, once

    # A token never has it; a person does, and asks the 30-second question.
    refused = story.http.post(f"/api/v1/incidents/{ref}/acknowledge", headers=story.token)
    assert refused.status_code == 403
    assert ref in visitor.open("/live")
    visitor.open(f"/i/{ref}/")
    assert visitor.offers(f"/i/{ref}/acknowledge/")
    visitor.press(f"/i/{ref}/acknowledge/")
    assert story.incidents()[0]["step"] == "triage"
    triage = visitor.open(f"/i/{ref}/triage/?evidence=1")
    failed = re.search(r"([\d\s]+) failed of ([\d\s]+),", triage)
    assert failed, triage
    bad, total = (int(re.sub(r"\D", "", number)) for number in failed.groups())
    assert 0.1 < bad / total < 0.31
    assert "2.1.0" in triage
    assert "refund_over_agent_limit" in triage
    assert "The numbers say: it would stop the bleed" in triage
    visitor.open(f"/i/{ref}/triage/")
    visitor.press(f"/i/{ref}/triage/answer/", rollback_answer="stop_the_bleed", step="triage")
    visitor.press(f"/i/{ref}/triage/answer/", branch="version", step="triage")
    workbench.eventually(lambda: story.practice()["queued"] == 200, 20)

    # 14:18: one press.
    workbench.clock.move_to(at("14:18"))
    workbench.eventually(lambda: seen_since(workbench, at("14:18")) == 20)
    visitor.open(f"/i/{ref}/contain/")
    assert "2.1.0 → 2.0.3" in visitor.words
    visitor.press(f"/i/{ref}/rollback/")
    assert "2.1.0 → 2.0.3" in visitor.words
    deployment = story.get(f"/api/v1/deployments/{AGENT}")
    assert (deployment["active"]["label"], story.incidents()[0]["status"]) == ("2.0.3", "contained")
    again = story.http.post(f"/api/v1/deployments/{AGENT}/rollback", headers=story.token)
    assert again.status_code == 200  # another door finds the same rollback
    rollback = again.json()
    assert (rollback["from"]["label"], rollback["to"]["label"], rollback["incident"]) == ("2.1.0", "2.0.3", ref)
    assert 0 < rollback["committed_ms"] < 5000
    assert len(rollback["legs"]) == 7
    assert rollback["legs"][0] == {"kind": "flip", "state": "done"}

    # 14:20: every instance has fetched it, measured from what they fetched.
    workbench.eventually(
        lambda: (
            workbench.sql("SELECT instances, reached FROM rollouts_propagation ORDER BY id DESC LIMIT 1") == [(20, 20)]
        )
    )
    ((furthest,),) = workbench.sql("SELECT max_ms FROM rollouts_propagation ORDER BY id DESC LIMIT 1")
    assert 0 < furthest < 10_000
    workbench.clock.move_to(at("14:20"))

    # The 200 refused refunds are tried again under 2.0.3, and all go through.
    workbench.eventually(lambda: story.practice()["retried"] == 200 and story.practice()["queued"] == 0, 20)
    assert story.practice()["retried_refunded"] == 200

    # 14:25: normal; the monitor says so, nobody else does.
    workbench.clock.move_to(at("14:25"))
    workbench.eventually(lambda: story.incidents()[0]["status"] == "recovered", 20)
    assert story.practice()["rate"] > 0.95
    assert near(story.entries(ref, "alert_resolved")[0]["at"], "14:25")

    # The notice of R050: from, to, time, who, why; to the other one on call, not to who pressed.
    workbench.eventually(lambda: notices(workbench, "rollback"))
    destinations, body = notices(workbench, "rollback") or ([], "")
    assert destinations == ["email:jo@example.com"]
    for part in ("2.1.0", "2.0.3", "14:18:", "UTC", "Admin"):
        assert part in body, body

    finish(story, visitor, ref)

    # The record is whole, and nothing happened a second time.
    assert len(story.incidents()) == 1
    with databases.pointed_at(workbench.dsn["dbname"]):
        assert timeline.first_broken(Incident.objects.get(ref=ref)) is None
        assert audit.first_broken() is None
    assert workbench.sql("SELECT count(*) FROM rollouts_rollback") == [(1,)]
    removal(story, visitor)


def seen_since(workbench: Workbench, moment: datetime) -> int:
    """How many instances have asked for their bundle since then: the fleet is alive at the moved clock's time."""
    found: int = workbench.sql("SELECT count(*) FROM rollouts_instance WHERE last_seen_at >= %s", [moment])[0][0]
    return found


def notices(workbench: Workbench, kind: str) -> tuple[list[str], str] | None:
    """Where the notice of the entry of this kind went and what it says, once it is sent."""
    rows = workbench.sql(
        "SELECT n.destination, n.subject || ' ' || n.body FROM incidents_notice n"
        " JOIN incidents_timelineentry e ON e.id = n.entry_id WHERE e.kind = %s AND n.done_at IS NOT NULL",
        [kind],
    )
    return ([row[0] for row in rows], rows[0][1]) if rows else None


def finish(story: Story, visitor: Visitor, ref: str) -> None:
    """Close every step as a person does: triage, legs, resolution, postmortem."""
    visitor.open(f"/i/{ref}/triage/")
    visitor.press(f"/i/{ref}/triage/close/", step="triage")
    visitor.open(f"/i/{ref}/contain/")
    for kind in re.findall(r'id="waive-([a-z_]+)"', visitor.page):
        visitor.press(f"/i/{ref}/legs/{kind}/", verb="waive", reason="A simulated fleet keeps none.")
    prove(story, visitor, ref)
    visitor.press(f"/i/{ref}/resolve/close/", resolution="Rolled back to 2.0.3; 200 refused refunds went through.")
    assert story.incidents()[0]["status"] == "resolved"
    write(visitor, f"/i/{ref}/postmortem/")
    assert (story.incidents()[0]["step"], story.incidents()[0]["status"]) == ("closed", "closed")
    for label, part in (("2.1.0", "at fault"), ("2.0.3", "gone back to")):
        assert ref in visitor.open(f"/bundles/customer-service/{label}/")
        assert f"{part} · revision 1" in visitor.words
    quarter = f"{DAY.year}Q{(DAY.month + 2) // 3}"
    assert ref in visitor.open(f"/review/?q={quarter}&show=published")


def prove(story: Story, visitor: Visitor, ref: str) -> None:
    """The cause, a case from a refused refund in one press, seen failing on 2.1.0 and passing on 2.0.3."""
    visitor.open(f"/i/{ref}/resolve/?evidence=1")
    visitor.press(f"/i/{ref}/causes/", origin="prompt_change", confidence="known")
    visitor.open(f"/i/{ref}/resolve/?evidence=1")
    failed = re.search(rf'action="(/i/{ref}/cases/from/[^"]+)"', visitor.page)
    assert failed, visitor.words
    assert "The case is made." in visitor.press(failed[1])
    for on, seen in (("bad", "Failed 1 of 1 2.1.0"), ("fix", "Passed 1 of 1 2.0.3")):
        visitor.open(f"/i/{ref}/resolve/")
        visitor.press(f"/i/{ref}/evals/", on=on)
        story.workbench.eventually(lambda seen=seen: seen in visitor.open(f"/i/{ref}/resolve/"), 60)  # type: ignore[misc]


def write(visitor: Visitor, path: str) -> None:
    """The postmortem, from the draft to the last signature; the admin is the only one who could sign."""
    visitor.open(path)
    visitor.press(f"{path}begin/")

    def save(piece: str, **fields: str) -> None:
        found = re.search(rf'action="{path}{piece}".*?name="version" value="([0-9]+)"', visitor.page, re.DOTALL)
        assert found, f"no form for {piece}"
        visitor.press(f"{path}{piece}", version=found[1], **fields)

    texts = {
        "summary": "The limit was right policy, but orders with approved amounts had no exception path.",
        "root_cause": "2.1.0 lowered the limit to $100 without an exception for pre-approved refunds.",
        "impact": "29 % of refunds were refused for 18 minutes; 200 waited.",
        "resolution": "Roll back, retry.",
        "prevention": "2.2.0 adds the exception path, through review and canary.",
    }
    for name, text in texts.items():
        save(f"sections/{name}/", text=text)
    save("rows/escapes/canary/", answer="It was promoted without one.")
    save("rows/escapes/tests/", answer="No case had an approved amount.")
    save("rows/escapes/change/", verdict="lacked_exception", answer="Policy was right.")
    visitor.press(f"{path}publish/")
    for role in ("commander", "approver"):
        visitor.press(f"{path}revisions/1/sign/", role=role)
    visitor.press(f"{path}close/")


def removal(story: Story, visitor: Visitor) -> None:
    """The banner's button empties the house, and the fleet stays off until asked."""
    assert "Practice data" in visitor.open("/live")
    visitor.press("/practice/reset/")
    assert "All quiet" in visitor.words
    assert story.incidents() == []
    assert story.practice() is None
    assert story.http.get(f"/api/v1/deployments/{AGENT}", headers=story.token).status_code == 404
    assert visitor.offers("/practice/start/")
    visitor.press("/practice/start/")
    story.workbench.eventually(lambda: (story.practice() or {}).get("rate"), 20)
    assert story.get(f"/api/v1/deployments/{AGENT}")["active"]["label"] == "2.0.3"
