"""The whole circle from Slack, by real processes: from the alert's card to the review, with what goes wrong on the way.

Everything that Slack sends comes four times and out of order. What has no verb is done on the pages that Slack links.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from accounts.models import SiteRole, User
from incidents.models import Incident
from incidents.operations import timeline
from rollouts.practice.bundles import BAD, FIX, GOOD, VERSIONS
from tests import databases
from tests.fake_slack import CHANNEL, FakeSlack, fake_slack
from tests.processes import ROOT, Workbench
from tests.slack_requests import command, pinned, press, shortcut
from tests.smoke.commander import MENTIONS, Commander, link, loud, places, refuse_embarrassment
from tests.smoke.test_s7 import write
from tests.smoke.visitor import Visitor
from tests.spans import ERROR, request, span

pytestmark = [pytest.mark.story]
AGENT = "customer-service"
PATIENCE = 60.0
#: This agent is none of the practice fleet's; its cases are played by the runner of those all the same.
RUNNER = {
    "EVAL_COMMAND": f"{sys.executable} -m rollouts.practice.runner",
    "EVAL_ENV": "PYTHONPATH",
    "PYTHONPATH": str(ROOT),
}


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with fake_slack() as workspace:
        yield workspace


def test_a_commander_works_the_whole_circle_from_slack(
    start_workbench: Callable[..., Workbench], slack: FakeSlack
) -> None:
    workbench = start_workbench("server", "worker", "clock", env=slack.settings | RUNNER)
    (email,) = workbench.sql("SELECT email FROM accounts_user ORDER BY id LIMIT 1")[0]
    link(workbench, email, "U0MARA")
    for name in ("jo", "kim"):
        with databases.pointed_at(workbench.dsn["dbname"]):
            User.objects.create_user(f"{name}@example.com", name=name.title(), roles=[SiteRole.RESPONDER])
        link(workbench, f"{name}@example.com", f"U0{name.upper()}")
    for label in (GOOD, BAD):
        push(workbench, label)
        promote(workbench, label)
    refused_refund(workbench)
    night = Night(workbench, slack)
    night.alarm()
    night.nobody_else_acts()
    night.take()
    night.contain()
    night.a_worker_dies()
    sign_in = json.loads(workbench.manage("prepare", "--json").stdout)["sign_in"]
    with Visitor(workbench.url, sign_in) as visitor:
        night.learn_what_is_missing(visitor)
        night.prove(visitor)
        night.resolve(visitor)
        night.remember(visitor)
    night.call_everybody_once()
    refuse_embarrassment(slack, workbench.url)
    with databases.pointed_at(workbench.dsn["dbname"]):
        assert timeline.first_broken(Incident.objects.get(ref=night.ref)) is None


def push(workbench: Workbench, label: str) -> None:
    post(workbench, f"bundles/{AGENT}/versions", VERSIONS[label])


def promote(workbench: Workbench, label: str) -> None:
    waiver = {"reason": "a test ships by hand", "expires_at": "2099-01-01T00:00:00Z"}
    number = {GOOD: 1, BAD: 2}[label]
    post(workbench, f"deployments/{AGENT}/prod/promote", {"number": number, "waiver": waiver})


def post(workbench: Workbench, path: str, sent: object) -> httpx.Response:
    answer = workbench.http.post(f"/api/v1/{path}", json=sent, headers=workbench.token())
    assert answer.is_success, answer.text
    return answer


def refused_refund(workbench: Workbench) -> None:
    """What telemetry keeps of a refund that the bad version refuses."""
    about = {"lastgood.bundle": AGENT, "lastgood.version": BAD, "error.type": "refund_over_agent_limit"}
    arguments = {"order_id": "HH-20418", "amount": 240, "currency": "USD", "authorised_up_to": 100, "reason": "broken"}
    agent = {**about, "gen_ai.operation.name": "invoke_agent", "refund.approved": 500}
    tool = {
        **about,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "issue_refund",
        "gen_ai.tool.call.arguments": json.dumps(arguments),
    }
    at, trace = datetime.now(UTC), "5" * 32
    spans = [span(agent, at=at, trace=trace, status=ERROR), span(tool, at=at, trace=trace, status=ERROR)]
    key = {"Authorization": f"Bearer {workbench.credentials['otlp_key']}"}
    assert workbench.http.post("/v1/traces", json=request(*spans), headers=key).status_code == 200


class Night:
    """The incident and the people who work it; the acts are called in their order."""

    ref = ""

    def __init__(self, workbench: Workbench, slack: FakeSlack) -> None:
        self.workbench, self.slack = workbench, slack
        self.mara, self.jo, self.kim, self.stranger = (
            Commander(workbench, slack, user) for user in ("U0MARA", "U0JO", "U0KIM", "U0STRANGER")
        )

    def until(self, true: Callable[[], Any]) -> Any:
        return self.workbench.eventually(true, PATIENCE)

    @property
    def incident(self) -> dict[str, Any]:
        path = f"/api/v1/incidents/{self.ref}"
        found: dict[str, Any] = self.workbench.http.get(path, headers=self.workbench.token()).json()
        return found

    @property
    def card(self) -> dict[str, Any]:
        return next(message for message in self.slack.root() if message.get("bot_id") and self.ref in message["text"])

    def said(self, kind: str) -> list[str]:
        return [entry["text"] for entry in self.incident["timeline"] if entry["kind"] == kind]

    def heard(self, words: str) -> bool:
        """Whether the card's thread has been told so, once."""
        told = [message["text"] for message in self.slack.thread(self.card["ts"])]
        assert sum(words in text for text in told) <= 1, told
        return any(words in text for text in told)

    # -- the acts --------------------------------------------------------------------------------------------------
    def alarm(self) -> None:
        """A monitor's alert becomes one card, which calls nobody whatever the monitor wrote."""
        alert = {"title": "Refunds <!channel> fail", "severity": "critical", "agent": AGENT, "dedup_key": "r1"}
        key = self.workbench.credentials["intake"]["generic"]
        for _ in range(4):
            assert self.workbench.http.post(f"/intake/generic/{key}", json=alert).status_code == 200
        (card,) = self.until(self.slack.root)
        self.ref = card["blocks"][-1]["elements"][0]["value"]
        assert "⬣ SEV1" in card["text"]
        assert "nobody has it" in card["text"]
        assert not any(mention in str(card) for mention in MENTIONS)
        buttons = [button["text"]["text"] for button in card["blocks"][-1]["elements"]]
        assert buttons == ["Acknowledge", f"Roll back to {GOOD}", "Open the room"]

    def nobody_else_acts(self) -> None:
        """A stranger, a bot, an old request, and somebody whose role was taken between the card and the press."""
        slack, ts = self.slack, self.card["ts"]
        answer = self.stranger.told(press(slack, "ack.0", self.ref, user="U0STRANGER", message_ts=ts))
        assert "/incident link" in answer.text
        bot = command(slack, f"ack {self.ref}", bot_id="B0ROBOT")
        assert "Only a person can press here" in self.mara.told(bot).text
        stale = press(slack, "rollback.1", self.ref, message_ts=ts).signed(age=400)
        assert self.mara.post(stale).status_code == 401
        self.workbench.sql("UPDATE accounts_user SET roles = '{}' WHERE email = 'kim@example.com'")
        refused = self.kim.told(press(slack, "rollback.1", self.ref, user="U0KIM", message_ts=ts)).text
        assert refused.startswith("⊘ ")
        assert "responder" in refused
        assert self.incident["acknowledged_by"] is None
        assert self.workbench.sql("SELECT count(*) FROM rollouts_rollback") == [(0,)]

    def take(self) -> None:
        """I have it; how bad it is; who commands; what was seen. Slack asks for a pause on the way."""
        slack = self.slack
        self.mara.send(press(slack, "ack.0", self.ref, message_ts=self.card["ts"]))
        self.until(lambda: self.incident["acknowledged_by"])
        assert len(self.said("acknowledged")) == 1
        slack.fail("chat.update", status=429, retry_after=2)
        self.mara.send(
            command(slack, "sev 2 only refunds"), command(slack, "note Pre-approved refunds &amp; no others")
        )
        self.until(lambda: self.incident["severity"] == "SEV2" and self.said("note"))
        assert self.said("note") == ["Pre-approved refunds & no others"]
        self.until(lambda: "▲ SEV2" in self.card["text"])
        self.until(lambda: len(loud(slack)) == 1)
        self.mara.type("role commander <@U0JO|jo>")
        offer = self.until(lambda: [call for call in slack.of("response") if "asks you to be" in call.text])[0]
        assert (offer.body["response_type"], "<@U0JO>" in offer.text) == ("in_channel", True)
        accept = offer.body["blocks"][-1]["elements"][0]["value"]
        assert "Only the person asked" in self.mara.told(press(slack, "role.0", accept)).text
        self.jo.send(press(slack, "role.0", accept, user="U0JO"))
        self.until(lambda: "◍ Jo" in str(self.card["blocks"]))
        message = slack.said(text="Finance changed the limit today")
        robot = slack.said(user="", text="ack", bot_id="B1", username="robot")
        self.mara.send(pinned(message), shortcut(slack, message))
        self.mara.send(pinned(robot))
        self.until(lambda: len(self.said("pinned") or self.said("note")) >= 3)

    def contain(self) -> None:
        """One command in the card's channel, no version: at once, once, and the channel hears it."""
        self.mara.type("rollback the limit refuses approved refunds")
        self.until(lambda: self.incident["status"] == "contained")
        self.until(lambda: len(loud(self.slack)) == 2)
        assert f"{BAD} → {GOOD}" in loud(self.slack)[1]
        self.until(lambda: "contained" in str(self.card["blocks"]))
        assert self.workbench.sql("SELECT count(*) FROM rollouts_rollback") == [(1,)]
        legs = self.mara.asked("legs")
        shown = legs.body["blocks"]
        assert shown[1]["text"]["text"].count("\n") == 6
        again = shown[-1]["elements"][0]
        self.mara.send(press(self.slack, again["action_id"], again["value"]))
        self.until(lambda: [c for c in self.slack.of("response") if c.body.get("response_type") == "in_channel"][1:])

    def a_worker_dies(self) -> None:
        """What is said meanwhile is not lost, and a dialog needs no worker."""
        self.workbench.kill("worker")
        self.mara.type("note The worker is away")
        assert self.mara.dialog("declare Something else")["callback_id"] == "declare"
        self.workbench.start("worker")
        self.until(lambda: "The worker is away" in self.said("note"))

    def learn_what_is_missing(self, visitor: Visitor) -> None:
        """The dialog names every open exit, and each line leads to the page that has it."""
        view = self.mara.dialog("resolve")
        assert "submit" not in view
        missing = [(url, words) for url, words in places(view["blocks"]) if words != self.ref]
        assert missing[0][1].startswith("Finish or waive the rollback's legs")
        assert any(words.startswith("Say why it happened") for _, words in missing)
        for url, words in missing:
            assert words in visitor.open(url)
        self.triage(visitor)
        # Slack goes away while the legs are walked; the room says since when, and the card catches up.
        self.slack.down = True
        visitor.open(missing[0][0])
        for kind in re.findall(r'id="waive-([a-z_]+)"', visitor.page):
            visitor.press(f"/i/{self.ref}/legs/{kind}/", verb="waive", reason="Nothing of it was kept.")
        visitor.open(f"/i/{self.ref}/detect/")
        visitor.press(f"/i/{self.ref}/severity/", severity="SEV1", reason="it was more")
        self.until(lambda: "Slack unreachable since" in visitor.open(f"/i/{self.ref}/"))
        self.slack.down = False
        self.until(lambda: "⬣ SEV1" in self.card["text"])
        self.until(lambda: "Slack unreachable" not in visitor.open(f"/i/{self.ref}/"))
        # What is left the dialog could settle; sent without it, the refusal leads there.
        view = self.mara.dialog("resolve")
        said = "The new limit had no exception for approved refunds"
        refused = self.mara.told(self.mara.submits(view, resolution=said)).text
        assert f"> {said}" in refused
        assert [words for _, words in places(refused)][1:] == ["Say why it happened: name at least one cause."]
        visitor.open(places(refused)[1][0])

    def triage(self, visitor: Visitor) -> None:
        page = f"/i/{self.ref}/triage/"
        visitor.open(page)
        visitor.press(f"{page}answer/", rollback_answer="stop_the_bleed", step="triage")
        visitor.press(f"{page}answer/", branch="version", step="triage")
        visitor.press(f"{page}close/", step="triage")

    def prove(self, visitor: Visitor) -> None:
        """The cause, a case in one press, its runs through the worker, and the fix through its gates."""
        page = f"/i/{self.ref}/resolve/?evidence=1"
        visitor.press(f"/i/{self.ref}/causes/", origin="prompt_change", confidence="known")
        visitor.open(page)
        failed = re.search(rf'action="(/i/{self.ref}/cases/from/[^"]+)"', visitor.page)
        assert failed, visitor.words
        assert "The case is made." in visitor.press(failed[1])
        view = self.mara.dialog("resolve")
        assert any(f"on {BAD}, the version that was bad" in words for _, words in places(view["blocks"]))
        push(self.workbench, FIX)
        for on, seen in (("bad", f"Failed 1 of 1 {BAD}"), ("fix", f"Passed 1 of 1 {GOOD}"), ("all", f"1 of 1 {FIX}")):
            visitor.open(page)
            visitor.press(f"/i/{self.ref}/evals/", on=on)
            self.until(lambda seen=seen: seen in visitor.open(page))  # type: ignore[misc]
        for environment in ("staging", "prod"):
            visitor.open(page)
            waiver = {"waiver_reason": "no canary by night", "waiver_days": "7"}
            visitor.press(f"/i/{self.ref}/promote/", environment=environment, number="3", **waiver)
        assert self.workbench.http.get(
            f"/api/v1/deployments/{AGENT}/prod", headers=self.workbench.token()
        ).json()["active"]["label"] == FIX  # fmt: skip

    def resolve(self, visitor: Visitor) -> None:
        """Nothing is missing: the dialog asks only what fixed it, and everybody hears that it is over."""
        view = self.mara.dialog("resolve")
        assert places(view["blocks"])[1:] == []
        self.mara.send(self.mara.submits(view, resolution=f"{FIX} pays approved refunds; {GOOD} held the night."))
        self.until(lambda: self.incident["status"] == "resolved")
        self.until(lambda: "resolved" in str(self.card["blocks"]) and self.heard("Resolved (prompt change)"))
        heard = loud(self.slack)
        assert [text for text in heard if "Resolved (" in text] == heard[-1:]
        assert len(heard) == 4, heard  # two severities, contained, resolved

    def remember(self, visitor: Visitor) -> None:
        """The postmortem is written and closed on its page; the thread is told, the quarter counts it."""
        write(visitor, f"/i/{self.ref}/postmortem/")
        assert self.incident["status"] == "closed"
        self.until(lambda: self.heard("Postmortem closed"))
        assert len(loud(self.slack)) == 4
        visitor.open("/review/")
        assert "show=rollbacks" in visitor.page
        assert self.ref in visitor.open("/review/?show=rollbacks")

    def call_everybody_once(self) -> None:
        """Only a SEV1 that a person declares and nobody has calls the channel, once."""
        view = self.mara.dialog("declare Refunds pay twice")
        self.mara.send(self.mara.submits(view, title="Refunds pay twice", severity="SEV1", agent=f"{AGENT}/prod"))
        self.until(lambda: [message for message in self.slack.root() if "<!here>" in str(message)])
        posts = [c for c in self.slack.calls if any(mention in c.shown for mention in MENTIONS)]
        assert len(posts) == 1, posts
        assert posts[0].body["channel"] == CHANNEL
