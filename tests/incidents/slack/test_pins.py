"""A message becomes part of the record, once, under the name of whoever wrote it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from accounts.models import SiteRole, User
from incidents.models import Incident, SlackCard, TimelineEntry
from tests.factories.incidents import incident, last, someone
from tests.factories.rollouts import deployment
from tests.fake_slack import ELSEWHERE, FakeSlack
from tests.slack_requests import command, keep, linked, pinned, press, say, shortcut

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(mara: User, noon: datetime) -> Incident:
    made = incident(deployment())
    say()
    return made


def notes() -> list[TimelineEntry]:
    return list(TimelineEntry.objects.filter(kind="note").order_by("pk"))


def test_a_pin_puts_the_message_on_the_timeline_with_its_author_and_its_place(slack: FakeSlack, room: Incident) -> None:
    linked(someone("Jo"), "U0JO")
    message = slack.said("U0JO", "the &lt;schema&gt; lost a field", thread_ts=slack.root()[0]["ts"])
    say(pinned(message))
    (entry,) = notes()
    assert entry.text == "Jo: the <schema> lost a field (pinned by Mara)"
    assert (entry.actor_kind, entry.actor_label, entry.surface) == ("person", "Mara", "slack")
    assert entry.data["permalink"].startswith("https://team.slack.com/archives/C0INCIDENTS/p")
    assert "On the timeline" in slack.of("chat.postEphemeral")[-1].text


def test_a_message_pinned_by_many_and_from_the_menu_is_one_entry(slack: FakeSlack, room: Incident) -> None:
    linked(someone("Jo"), "U0JO")
    message = slack.said("U0MARA", "rolled back by hand")
    say(pinned(message), pinned(message, user="U0JO"), shortcut(slack, message), shortcut(slack, message, user="U0JO"))
    (entry,) = notes()
    assert entry.text == "Mara: rolled back by hand"


def test_one_event_sent_four_times_and_out_of_order_is_one_entry_each(slack: FakeSlack, room: Incident) -> None:
    one, two = slack.said(text="first"), slack.said(text="second")
    first, second = pinned(one, event_id="Ev1"), pinned(two, event_id="Ev2")
    for request in (second, first, second.again(1), first.again(1), first.again(2), second.again(2), first.again(3)):
        keep(request)
    say()
    assert sorted(entry.text for entry in notes()) == ["Mara: first", "Mara: second"]


@pytest.mark.parametrize(
    "by",
    [{"bot_id": "B1", "bot_profile": {"name": "triage-agent"}}, {"subtype": "bot_message", "username": "triage-agent"}],
)
def test_what_an_agent_wrote_is_never_a_persons_entry(slack: FakeSlack, room: Incident, by: dict[str, Any]) -> None:
    say(pinned(slack.said("U0BOT", "I acknowledge this incident.", **by)))
    (entry,) = notes()
    assert (entry.actor_kind, entry.actor_label) == ("agent", "triage-agent")
    assert entry.data["pinned_by"] == "Mara"
    room.refresh_from_db()
    assert room.acknowledged_at is None


def test_words_of_acknowledgement_pinned_acknowledge_nothing(slack: FakeSlack, room: Incident) -> None:
    say(pinned(slack.said(text="ack")), pinned(slack.said(text="Acknowledged.")))
    room.refresh_from_db()
    assert room.acknowledged_at is None
    assert last(room).kind == "note"


def test_in_an_unknown_channel_the_incident_is_chosen(slack: FakeSlack, room: Incident) -> None:
    message = slack.said(text="look at this", channel=ELSEWHERE)
    say(pinned(message, channel=ELSEWHERE))
    assert not notes()
    asked = slack.of("chat.postEphemeral")[-1]
    button = asked.body["blocks"][-1]["elements"][0]
    say(press(slack, button["action_id"], button["value"], channel=ELSEWHERE))
    assert notes()[0].incident == room


def test_in_a_thread_of_a_card_its_incident_is_meant_also_when_others_are_open(
    slack: FakeSlack, room: Incident
) -> None:
    incident(deployment("other"))
    say()
    card = SlackCard.objects.get(incident=room)
    message = slack.said(text="in the thread", thread_ts=card.ts)
    say(pinned(message), shortcut(slack, slack.said(text="also here", thread_ts=card.ts)))
    assert {entry.incident for entry in notes()} == {room}
    assert len(notes()) == 2


def test_a_message_we_cannot_see_is_refused_in_private(slack: FakeSlack, room: Incident) -> None:
    say(pinned({"ts": "1.2"}))
    assert "cannot read that message" in slack.of("chat.postEphemeral")[-1].text
    assert not notes()


def test_nobody_pins_by_typing_the_number_of_a_message_they_may_not_see(slack: FakeSlack, room: Incident) -> None:
    secret = slack.said("U0JO", "salaries", channel=ELSEWHERE)
    say(command(slack, f"pin {room.ref} {ELSEWHERE} {secret['ts']}"))
    assert not notes()
    assert "There is no command" in slack.whispered().text


def test_a_stranger_pins_nothing(slack: FakeSlack, room: Incident) -> None:
    say(pinned(slack.said(text="hm"), user="U0STRANGER"))
    assert not notes()
    assert "/incident link" in slack.of("chat.postEphemeral")[-1].text


def test_a_viewer_may_pin_since_everybody_may_say_what_they_see(slack: FakeSlack, room: Incident, mara: User) -> None:
    mara.roles = [SiteRole.VIEWER]
    mara.save()
    say(pinned(slack.said(text="hm")))
    assert len(notes()) == 1


def test_a_picture_without_words_is_refused_with_a_sentence(slack: FakeSlack, room: Incident) -> None:
    say(pinned(slack.said(text="")))
    assert "no words" in slack.of("chat.postEphemeral")[-1].text
