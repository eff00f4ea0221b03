"""A night in Slack, by real processes: the alert's card, "I have it", the way back, a worker that dies, Slack away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.factories.rollouts import body
from tests.fake_slack import TEAM, FakeSlack, fake_slack
from tests.processes import Workbench
from tests.slack_requests import Request, command, pinned, press

pytestmark = [pytest.mark.story]
AGENT = "refunds"


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with fake_slack() as workspace:
        yield workspace


def sent(workbench: Workbench, request: Request) -> httpx.Response:
    """Slack's request at the door, as it is; answered in the second that Slack gives."""
    began = time.monotonic()
    answer = workbench.http.post(
        request.path, content=request.body, headers={"content-type": request.content_type, **request.headers}
    )
    assert time.monotonic() - began < 3
    assert answer.status_code == 200, answer.text
    return answer


def ship(workbench: Workbench, label: str) -> None:
    """A version, promoted to prod by the token that may."""
    post = workbench.http.post
    pushed = post(
        f"/api/v1/bundles/{AGENT}/versions", json=body(label=label, text=f"Take {label}"), headers=workbench.token()
    )
    assert pushed.status_code == 201, pushed.text
    number = pushed.json()["number"]
    for environment in ("staging", "prod"):
        waiver = {"reason": "a test ships by hand", "expires_at": "2099-01-01T00:00:00Z"}
        promoted = post(
            f"/api/v1/deployments/{AGENT}/{environment}/promote",
            json={"number": number, "waiver": waiver},
            headers=workbench.token(),
        )
        assert promoted.status_code in {200, 201}, promoted.text


def link(workbench: Workbench, slack_user: str) -> None:
    """The first admin is this Slack user."""
    workbench.sql(
        "INSERT INTO incidents_slackidentity (user_id, team_id, slack_user_id, linked_at)"
        " SELECT id, %s, %s, now() FROM accounts_user ORDER BY id LIMIT 1",
        [TEAM, slack_user],
    )


def test_a_commander_works_the_night_from_slack(start_workbench: Callable[..., Workbench], slack: FakeSlack) -> None:
    workbench = start_workbench("server", "worker", "clock", env=slack.settings)
    until = workbench.eventually
    ship(workbench, "1.0.0")
    ship(workbench, "1.1.0")
    link(workbench, "U0MARA")

    key = workbench.credentials["intake"]["generic"]
    alert = {"title": "Refunds <!channel> fail", "severity": "critical", "agent": AGENT, "dedup_key": "r1"}
    assert workbench.http.post(f"/intake/generic/{key}", json=alert).status_code == 200
    (card,) = until(slack.root)
    assert "⬣ SEV1" in card["text"]
    assert "<!channel>" not in str(card)
    ref = card["blocks"][-1]["elements"][0]["value"]

    def incident() -> dict[str, Any]:
        found: dict[str, Any] = workbench.http.get(f"/api/v1/incidents/{ref}", headers=workbench.token()).json()
        return found

    # "I have it", sent four times.
    ack = press(slack, "ack.0", ref, message_ts=card["ts"])
    for request in (ack, ack.again(1), ack.again(2), ack.again(3)):
        sent(workbench, request)
    until(lambda: incident()["acknowledged_by"])
    assert [entry["kind"] for entry in incident()["timeline"]].count("acknowledged") == 1

    # The way back, in one press.
    sent(workbench, command(slack, "rollback refunds fail"))
    until(lambda: incident()["status"] == "contained")
    until(lambda: [m for m in slack.messages.values() if m.get("reply_broadcast")])
    (loud,) = [m for m in slack.messages.values() if m.get("reply_broadcast")]
    assert "1.1.0 → 1.0.0" in loud["text"]
    until(lambda: "contained" in str(slack.root()[0]["blocks"]))

    # The worker dies; what was said meanwhile is not lost.
    workbench.kill("worker")
    sent(workbench, command(slack, "sev 2"))
    sent(workbench, pinned(slack.said(text="customers confirm it works")))
    assert incident()["severity"] == "SEV1"
    workbench.start("worker")
    until(lambda: incident()["severity"] == "SEV2", 60)
    until(lambda: any("customers confirm" in entry["text"] for entry in incident()["timeline"]))

    # A dialog opens within the three seconds, without the worker.
    workbench.stop("worker")
    sent(workbench, command(slack, "declare Something else"))
    until(lambda: slack.of("views.open"), 3)
    workbench.start("worker")

    # Slack is away, then back.
    slack.down = True
    workbench.http.post(f"/api/v1/incidents/{ref}/severity", json={"severity": "SEV1"}, headers=workbench.token())
    until(lambda: workbench.sql("SELECT 1 FROM incidents_slackhealth WHERE unreachable_since IS NOT NULL"), 60)
    slack.down = False
    until(lambda: "⬣ SEV1" in slack.root()[0]["text"], 60)
    until(lambda: workbench.sql("SELECT 1 FROM incidents_slackhealth WHERE unreachable_since IS NULL"), 60)
    assert len(slack.root()) == 2  # the card, and what somebody wrote
