"""The one card of each incident: always the present, whatever came in between."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client, override_settings

from accounts import clock as house_clock
from accounts.actors import Actor
from accounts.models import User
from incidents.models import Incident, SlackCard, SlackHealth
from incidents.operations import acknowledge, contain, declare, note, resolve, severity
from incidents.slack import cards
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import incident, someone
from tests.factories.rollouts import running
from tests.fake_slack import CHANNEL, FakeSlack
from tests.slack_requests import say

pytestmark = pytest.mark.django_db
HOSTILE = "<!channel> *bold* <@U0MARA> & </script> <https://evil.example|INC-1>"


@pytest.fixture
def room(slack: FakeSlack, noon: datetime) -> Incident:
    return incident(running("2.0.0", "2.1.0"), severity="SEV2")


@pytest.fixture
def mara(slack: FakeSlack) -> User:
    return someone("Mara")


def words_of(message: dict[str, Any]) -> str:
    return json.dumps([message["text"], message["blocks"]], ensure_ascii=False)


def loud(slack: FakeSlack) -> list[str]:
    return [message["text"] for message in slack.messages.values() if message.get("reply_broadcast")]


def test_an_incident_has_one_card_that_says_what_a_reader_needs(slack: FakeSlack, room: Incident) -> None:
    say()
    (card,) = slack.root()
    for wanted in ("▲ SEV2", room.ref, "Detect", "nobody", "Commander", "Harm", "Acknowledge: say that you have it."):
        assert wanted in words_of(card)
    assert len(card["blocks"]) <= 10
    buttons = card["blocks"][-1]["elements"]
    assert [button["text"]["text"] for button in buttons] == ["Acknowledge", "Roll back to 2.0.0", "Open the room"]
    assert card["text"]
    assert " UTC>" in words_of(card)
    assert "⚙ auto" in words_of(card)


def test_the_card_is_edited_in_place_and_its_thread_is_told_the_steps(
    slack: FakeSlack, room: Incident, mara: User
) -> None:
    say()
    acknowledge.acknowledge(room, actor=Actor.of_user(mara))
    contain.waive(room, actor=person(), reason="nothing runs")
    say()
    resolve.resolve(room, actor=person(), origin="user_side", resolution="They stopped.", no_case_reason="Their input")
    say()
    (card,) = slack.root()
    assert "resolved" in words_of(card)
    assert "Acknowledge" not in words_of(card)
    told = [message["text"] for message in slack.thread(card["ts"])]
    assert [line.partition(": ")[2].partition("\n")[0] for line in told] == [
        "Mara acknowledged",
        "Containment waived: nothing runs",
        "Resolved (user side): They stopped.",
    ]
    assert len(loud(slack)) == 1
    assert "Resolved" in loud(slack)[0]


def test_what_does_not_show_on_the_card_edits_nothing(slack: FakeSlack, room: Incident) -> None:
    say()
    note.add(room, actor=person(), text="still looking")
    assert SlackCard.objects.get().done_at is None
    say()
    assert not slack.of("chat.update")
    assert SlackCard.objects.get().done_at is not None


def test_only_a_change_of_severity_containment_and_the_end_are_broadcast(
    slack: FakeSlack, room: Incident, mara: User
) -> None:
    say()
    actor = Actor.of_user(mara)
    severity.set_severity(room, actor=actor, severity="SEV1")
    severity.set_severity(room, actor=actor, severity="SEV1")
    acknowledge.acknowledge(room, actor=actor)
    say()
    assert [text.partition(": ")[2].partition("\n")[0] for text in loud(slack)] == ["Severity SEV2 → SEV1"]


def test_hostile_titles_call_nobody(slack: FakeSlack, noon: datetime) -> None:
    made = incident(running("1.0.0"), title=HOSTILE)
    note.add(made, actor=person(name="<!here>"), text=HOSTILE)
    contain.waive(made, actor=person(), reason=HOSTILE)
    say()
    shown = json.dumps(list(slack.messages.values()))
    for call in ("<!channel>", "<!here>", "<@U0MARA>", "<https://evil.example"):
        assert call not in shown
    assert "&lt;!channel&gt;" in shown


def test_a_title_as_long_as_titles_may_be_still_fits(slack: FakeSlack, noon: datetime) -> None:
    incident(running("1.0.0"), title="<&>" * 100, header={"metric": "m" * 200, "value": "v" * 5000, "threshold": 1})
    say()
    assert len(slack.root()) == 1


@pytest.mark.parametrize(("level", "declared", "here"), [("SEV1", True, 1), ("SEV2", True, 0), ("SEV1", False, 0)])
def test_everybody_present_is_called_for_a_declared_sev1_only(
    slack: FakeSlack, noon: datetime, level: str, declared: bool, here: int
) -> None:
    if declared:
        declare.declare(actor=person(), title="Refunds fail", severity=level)
    else:
        incident(running("1.0.0"), severity=level)
    say()
    assert json.dumps(slack.of("chat.postMessage")[0].body).count("<!here>") == here
    severity.set_severity(Incident.objects.get(), actor=person(), severity="SEV1", reason="sure")
    acknowledge.acknowledge(Incident.objects.get(), actor=person())
    say()
    assert "<!here>" not in json.dumps(slack.root())


def test_a_drill_stays_inside(slack: FakeSlack, room: Incident) -> None:
    SlackCard.objects.all().delete()
    Incident.objects.update(kind="drill")
    room.refresh_from_db()
    note.add(room, actor=person(), text="only practising")
    say()
    assert not slack.calls


def test_unconnected_or_without_a_channel_nothing_is_owed(slack: FakeSlack, noon: datetime) -> None:
    with override_settings(SLACK_CHANNEL=""):
        incident(running("1.0.0"))
    with override_settings(SLACK_BOT_TOKEN=""):
        incident(running("1.1.0"))
        assert cards.send_due() == 0
    assert not SlackCard.objects.exists()


# -- faults ------------------------------------------------------------------------------------------------------------
def test_asked_to_wait_the_card_waits_that_long_and_not_longer(
    slack: FakeSlack, room: Incident, clock: MovableClock
) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=30)
    say()
    clock.advance(seconds=25)
    note.add(room, actor=person(), text="meanwhile")
    say()
    assert len(slack.calls) == 1
    clock.advance(seconds=6)
    say()
    assert len(slack.root()) == 1


def test_after_ten_minutes_without_slack_the_card_catches_up(
    slack: FakeSlack, room: Incident, mara: User, clock: MovableClock
) -> None:
    say()
    slack.down = True
    acknowledge.acknowledge(room, actor=Actor.of_user(mara))
    for _ in range(30):
        say()
        clock.advance(seconds=20)
    contain.waive(room, actor=person(), reason="nothing runs")
    say()
    health = SlackHealth.objects.get()
    assert health.unreachable_since is not None
    assert health.answered_at is not None
    browser = Client()
    browser.force_login(mara)
    shown = " ".join(browser.get(f"/i/{room.ref}/").content.decode().split())
    assert "Slack unreachable" in shown
    assert f"{health.unreachable_since:%H:%M:%S}" in shown.partition("Slack unreachable")[2]
    slack.down = False
    clock.advance(seconds=cards.LONGEST + 1)
    say()
    (card,) = slack.root()
    assert "held by Mara" in card["text"]
    assert [m["text"].partition(": ")[2].partition("\n")[0] for m in slack.thread(card["ts"])] == [
        "Mara acknowledged",
        "Containment waived: nothing runs",
    ]
    health.refresh_from_db()
    assert health.unreachable_since is None
    assert "Slack unreachable" not in browser.get(f"/i/{room.ref}/").content.decode()


def test_a_posted_card_whose_answer_was_lost_is_found_again(
    slack: FakeSlack, room: Incident, clock: MovableClock
) -> None:
    slack.fail("chat.postMessage", status=500, after=True)
    say()
    assert SlackCard.objects.get().ts == ""
    clock.advance(seconds=cards.LONGEST)
    say()
    assert len(slack.root()) == 1
    assert SlackCard.objects.get().ts == slack.root()[0]["ts"]


def test_a_deleted_card_is_posted_anew(slack: FakeSlack, room: Incident, mara: User) -> None:
    say()
    slack.messages.clear()
    acknowledge.acknowledge(room, actor=Actor.of_user(mara))
    say()
    assert len(slack.root()) == 1


def test_a_channel_we_are_not_in_is_joined(slack: FakeSlack, room: Incident, clock: MovableClock) -> None:
    slack.members.clear()
    say()
    clock.advance(seconds=5)
    say()
    assert len(slack.root()) == 1
    assert slack.of("conversations.join")


def test_a_channel_that_is_gone_keeps_no_other_card_waiting(slack: FakeSlack, room: Incident) -> None:
    say()
    other = incident(running("1.0.0", key="forge"))
    SlackCard.objects.filter(incident=room).update(channel="C0GONE", ts="", digest="", done_at=None)
    say()
    assert SlackCard.objects.get(incident=other).ts
    broken = SlackCard.objects.get(incident=room)
    assert "channel_not_found" in broken.error
    assert broken.given_up_at is None


def test_what_happens_while_a_card_is_being_sent_is_shown_next(
    slack: FakeSlack, room: Incident, mara: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record grows between the drawing and the end of the sending: the card must stay due."""
    tell = cards._tell_news

    def meanwhile(card: SlackCard, about: Incident) -> bool:
        monkeypatch.setattr(cards, "_tell_news", tell)
        done = tell(card, about)
        acknowledge.acknowledge(room, actor=Actor.of_user(mara))
        return done

    monkeypatch.setattr(cards, "_tell_news", meanwhile)
    (claimed,) = SlackCard.objects.claim(house_clock.now(), limit=1, hold=timedelta(seconds=60))
    cards.show(claimed, house_clock.now())
    card = SlackCard.objects.get()
    assert card.done_at is None
    assert card.claimed_until is None
    say()
    assert "held by Mara" in slack.root()[0]["text"]


def test_much_news_comes_in_order_and_not_all_at_once(slack: FakeSlack, room: Incident) -> None:
    say()
    for number in range(12):
        severity.set_severity(room, actor=person(), severity="SEV3", reason="x")
        severity.set_severity(room, actor=person(), severity="SEV4", reason=f"step {number}")
    say()
    told = [m["text"] for m in slack.thread(slack.root()[0]["ts"])]
    steps = [text for text in told if "step" in text]
    assert [f"step {number}" in text for number, text in enumerate(steps)] == [True] * 12
    assert SlackCard.objects.get().channel == CHANNEL
