"""What people say in Slack, and what comes of it."""

from __future__ import annotations

from datetime import datetime

import pytest

from accounts.models import SiteRole, User
from incidents.models import Acknowledgement, Incident, Responder, SlackCard, SlackDelivery, TimelineEntry
from incidents.operations import contain
from incidents.slack import work
from rollouts.models import Rollback, Stop
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import incident, last, on_call, someone
from tests.factories.rollouts import deployment, running
from tests.fake_slack import CHANNEL, TEAM, Call, FakeSlack
from tests.slack_requests import command, keep, linked, press, say, submit

pytestmark = pytest.mark.django_db
ELSEWHERE = "C0ELSEWHERE"


@pytest.fixture
def mara(slack: FakeSlack) -> User:
    """A responder, linked."""
    slack.channels[ELSEWHERE] = "random"
    slack.members.add(ELSEWHERE)
    return linked(someone("Mara"))


@pytest.fixture
def room(mara: User, noon: datetime) -> Incident:
    """An open incident about an agent that can go back, whose card stands in the channel."""
    made = incident(running("2.0.0", "2.1.0"), severity="SEV2", title="Refunds <!channel> & more")
    say()
    return made


def whispered(slack: FakeSlack) -> Call:
    """What only one person was told last."""
    found = slack.of("response", "chat.postEphemeral")[-1]
    assert found.body.get("response_type", "ephemeral") == "ephemeral"
    return found


# -- acknowledging ---------------------------------------------------------------------------------------------------
def test_acknowledging_from_slack_is_a_persons_act_through_slack(slack: FakeSlack, room: Incident, mara: User) -> None:
    say(command(slack, f"ack {room.ref}"))
    room.refresh_from_db()
    assert room.acknowledged_by == mara
    assert Acknowledgement.objects.get().surface == "slack"
    entry = last(room)
    assert (entry.kind, entry.actor_kind, entry.surface) == ("acknowledged", "person", "slack")
    assert "◍ Mara has" in whispered(slack).text


@pytest.mark.parametrize("text", ["ack", "ack 1", "ACK", "ack inc-1", "  ack  "])
def test_an_incident_is_meant_by_its_channel_or_by_its_number(slack: FakeSlack, room: Incident, text: str) -> None:
    say(command(slack, text.replace("1", room.ref.partition("-")[2])))
    room.refresh_from_db()
    assert room.acknowledged_at is not None


def test_where_several_are_open_a_button_each_says_which(slack: FakeSlack, room: Incident, mara: User) -> None:
    other = incident(deployment("other"), severity="SEV1", title="Another")
    say()
    say(command(slack, "ack"))
    asked = whispered(slack)
    buttons = asked.body["blocks"][-1]["elements"]
    assert [button["value"] for button in buttons] == [other.ref, room.ref]
    assert not Acknowledgement.objects.exists()
    say(press(slack, buttons[1]["action_id"], buttons[1]["value"]))
    room.refresh_from_db()
    assert room.acknowledged_by == mara


def test_a_press_on_the_card_acknowledges_and_the_card_says_so(slack: FakeSlack, room: Incident) -> None:
    (card,) = slack.root()
    first = card["blocks"][-1]["elements"][0]
    assert first["text"]["text"] == "Acknowledge"
    say(press(slack, first["action_id"], first["value"], message_ts=card["ts"]))
    (card,) = slack.root()
    assert "held by Mara" in card["text"]


def test_who_is_too_late_is_told_who_has_it_and_nobody_else_is(slack: FakeSlack, room: Incident) -> None:
    linked(someone("Jo"), "U0JO")
    say(command(slack, "ack"), command(slack, "ack", user="U0JO"))
    assert "Mara acknowledged" in whispered(slack).text
    assert Acknowledgement.objects.count() == 1


# -- containing ------------------------------------------------------------------------------------------------------
def test_rolling_back_in_the_incidents_channel_acts_at_once_and_everybody_sees_it(
    slack: FakeSlack, room: Incident, mara: User
) -> None:
    say(command(slack, "rollback refunds fail the schema"))
    rollback = Rollback.objects.get()
    assert (rollback.from_version.label, rollback.to_version.label) == ("2.1.0", "2.0.0")
    assert (rollback.pressed_in, rollback.user, rollback.surface) == (room.ref, mara, "slack")
    assert rollback.reason == "refunds fail the schema"
    room.refresh_from_db()
    assert room.contained_at is not None
    (loud,) = [message for message in slack.messages.values() if message.get("reply_broadcast")]
    for wanted in ("2.1.0 → 2.0.0", "Mara", "refunds fail the schema", "UTC>"):
        assert wanted in str(loud["blocks"])


def test_elsewhere_one_button_stands_for_each_agent_with_an_open_incident(slack: FakeSlack, room: Incident) -> None:
    running("1.0.0", "1.1.0", key="forge")
    say(command(slack, "rollback", channel=ELSEWHERE))
    assert not Rollback.objects.exists()
    (button,) = whispered(slack).body["blocks"][-1]["elements"]
    assert button["text"]["text"] == "Roll back customer-service/prod"
    say(press(slack, button["action_id"], button["value"], channel=ELSEWHERE))
    assert Rollback.objects.get().pressed_in == room.ref
    assert slack.of("response")[-1].body["response_type"] == "in_channel"
    assert "2.1.0 → 2.0.0" in slack.of("response")[-1].text


def test_with_nothing_open_the_agents_that_run_are_offered_and_the_press_opens_an_incident(
    slack: FakeSlack, mara: User
) -> None:
    running("1.0.0", "1.1.0", key="forge")
    say(command(slack, "rollback"))
    (button,) = whispered(slack).body["blocks"][-1]["elements"]
    assert button["value"] == "forge/prod"
    say(press(slack, button["action_id"], button["value"]))
    assert Rollback.objects.get().deployment == deployment("forge")
    assert Incident.objects.get().contained_at is not None


def test_two_presses_of_two_people_are_one_rollback(slack: FakeSlack, room: Incident) -> None:
    linked(someone("Jo"), "U0JO")
    for user in ("U0MARA", "U0JO"):
        keep(press(slack, "rollback.1", room.ref, user=user))
    say()
    assert Rollback.objects.count() == 1
    assert all("2.1.0 → 2.0.0" in call.text for call in slack.of("response"))


def test_stopping_begins_with_writes_and_all_of_it_takes_a_second_press(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "stop it pays twice"))
    stop = Stop.objects.get()
    assert (stop.kill_switch.scope, stop.reason, stop.pressed_in) == ("writes", "it pays twice", room.ref)
    say(command(slack, "stop whole everything is wrong"))
    assert Stop.objects.count() == 1
    button = whispered(slack).body["blocks"][-1]["elements"][0]
    say(press(slack, button["action_id"], button["value"]))
    assert Stop.objects.latest("pk").kill_switch.scope == "whole"
    assert Stop.objects.latest("pk").reason == "everything is wrong"


def test_a_named_scope_of_a_named_incident_is_stopped(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, f"stop {room.ref} tool:refund paying twice", channel=ELSEWHERE))
    assert Stop.objects.get().kill_switch.scope == "tool:refund"
    assert "customer-service/prod" in slack.of("response")[-1].text


# -- the rest --------------------------------------------------------------------------------------------------------
def test_a_note_reaches_the_timeline_as_it_was_read_in_slack(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "note <@U0JO|jo> saw 3 &lt; 5 on <https://x.example/d|the dashboard>"))
    assert last(room).text == "@jo saw 3 < 5 on https://x.example/d"
    assert whispered(slack).text.startswith("✔ On the timeline")


@pytest.mark.parametrize("text", ["sev 1", "sev SEV1", "sev {ref} 1", "sev {number} 1", "sev 1 it got worse"])
def test_the_severity_is_set_and_the_channel_hears_of_it(slack: FakeSlack, room: Incident, text: str) -> None:
    say(command(slack, text.format(ref=room.ref, number=room.ref.partition("-")[2])))
    room.refresh_from_db()
    assert room.severity == "SEV1"
    (loud,) = [message for message in slack.messages.values() if message.get("reply_broadcast")]
    assert "SEV2 → SEV1" in loud["text"]


def test_a_severity_there_is_not_is_refused_with_what_to_type(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "sev 9"))
    assert "`sev 1`" in whispered(slack).text


def test_a_duty_is_taken_at_once_and_given_only_when_accepted(slack: FakeSlack, room: Incident, mara: User) -> None:
    jo = linked(someone("Jo"), "U0JO")
    say(command(slack, "role scribe"))
    assert Responder.objects.get(duty="scribe").user == mara
    say(command(slack, "role commander <@U0JO|jo>"))
    offer = slack.of("response")[-1]
    assert offer.body["response_type"] == "in_channel"
    accept = offer.body["blocks"][-1]["elements"][0]
    assert not Responder.objects.filter(duty="commander").exists()
    say(press(slack, accept["action_id"], accept["value"], user="U0MARA"))
    assert "Only the person asked" in whispered(slack).text
    say(press(slack, accept["action_id"], accept["value"], user="U0JO"))
    assert Responder.objects.get(duty="commander").user == jo


def test_nobody_accepts_by_typing_what_a_button_says(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "role accept commander U0MARA"))
    assert not Responder.objects.exists()


def test_a_dialog_declares_and_an_incident_gets_its_card(slack: FakeSlack, mara: User) -> None:
    running("1.0.0")
    say(command(slack, "declare Refund agent pays twice"))
    view = slack.of("views.open")[0].body["view"]
    title = next(block for block in view["blocks"] if block["block_id"] == "title")
    assert title["element"]["initial_value"] == "Refund agent pays twice"
    fields = {
        "title": "Refund agent pays twice",
        "severity": "SEV2",
        "agent": "customer-service/prod",
        "note": "3 seen",
    }
    say(submit(view, fields))
    made = Incident.objects.get()
    assert (made.title, made.severity, str(made.deployment)) == (fields["title"], "SEV2", "customer-service/prod")
    assert made.timeline.filter(kind="note", text="3 seen").exists()
    (card,) = slack.root()
    assert made.ref in card["text"]
    assert SlackCard.objects.get().ts == card["ts"]


def test_typed_with_a_severity_it_is_declared_without_a_dialog(slack: FakeSlack, mara: User) -> None:
    say(command(slack, "declare sev1 Refunds &amp; more fail"))
    assert Incident.objects.get().title == "Refunds & more fail"
    assert not slack.of("views.open")


def test_a_dialog_that_comes_too_late_is_replaced_by_what_to_type(slack: FakeSlack, mara: User) -> None:
    asked = command(slack, "declare")
    for trigger in slack.triggers:
        slack.triggers[trigger] = 0
    say(asked)
    assert "declare sev3" in whispered(slack).text


def test_resolving_shows_what_is_missing_with_links(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "resolve"))
    view = slack.of("views.open")[0].body["view"]
    assert "submit" not in view
    assert "Stop the harm" in str(view)
    assert f"/i/{room.ref}/resolve/" in str(view)


def test_resolving_by_dialog_and_what_was_written_comes_back_when_refused(slack: FakeSlack, room: Incident) -> None:
    contain.waive(room, actor=person(), reason="nothing runs")
    say(command(slack, "resolve"))
    view = slack.of("views.open")[0].body["view"]
    said = "The prompt had no output schema; 2.2.0 has one"
    say(submit(view, {"resolution": said}))
    assert f"> {said}" in slack.of("chat.postEphemeral")[-1].text
    say(submit(view, {"resolution": said, "origin": "user_side", "no_case_reason": "Their input, not ours"}))
    room.refresh_from_db()
    assert room.resolved_at is not None
    assert room.resolution == said


# -- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "help", "status", "list", "legs", "oncall"])
def test_readings_are_for_whoever_asks_until_they_are_posted(slack: FakeSlack, room: Incident, text: str) -> None:
    say(command(slack, text))
    call = whispered(slack)
    assert call.body["blocks"]
    again = [b for block in call.body["blocks"] for b in block.get("elements", []) if b.get("action_id") == "post.0"]
    if again:
        say(press(slack, "post.0", again[0]["value"]))
        assert slack.of("response")[-1].body["response_type"] == "in_channel"
    assert bool(again) == (text not in {"", "help"})


def test_help_names_every_command(slack: FakeSlack, mara: User) -> None:
    say(command(slack, "help"))
    for word in ("declare", "ack", "status", "note", "rollback", "stop", "sev", "role", "resolve", "list", "help"):
        assert f"/incident {word}" in whispered(slack).shown


def test_a_command_there_is_not_is_answered_with_help(slack: FakeSlack, mara: User) -> None:
    say(command(slack, "explode <!here>"))
    assert "There is no command 'explode'" in whispered(slack).text


def test_who_is_on_call_is_told_by_team(slack: FakeSlack, mara: User) -> None:
    on_call(mara)
    say(command(slack, "oncall"))
    assert "Mara" in whispered(slack).shown


# -- once ------------------------------------------------------------------------------------------------------------
def test_what_was_done_is_not_done_again_when_its_answer_was_lost(slack: FakeSlack, room: Incident) -> None:
    slack.fail("response", status=500)
    say(command(slack, "note seen"))
    row = SlackDelivery.objects.get()
    assert row.done_at is None
    SlackDelivery.objects.update(due_at=row.received_at)
    say()
    row.refresh_from_db()
    assert row.done_at is not None
    assert TimelineEntry.objects.filter(kind="note").count() == 1
    assert len(slack.of("response")) == 2


def test_one_persons_requests_are_worked_in_the_order_they_came(slack: FakeSlack, room: Incident) -> None:
    first = keep(command(slack, "sev 1"))
    second = keep(command(slack, "sev 3"))
    assert first is not None
    assert second is not None
    work.work_one(second.pk)
    room.refresh_from_db()
    assert room.severity == "SEV2"
    work.work_one(first.pk)
    SlackDelivery.objects.filter(pk=second.pk).update(due_at=first.received_at)
    work.work_due()
    room.refresh_from_db()
    assert room.severity == "SEV3"


def test_an_answer_slack_will_not_take_is_not_sent_for_ever(slack: FakeSlack, room: Incident) -> None:
    slack.fail("response", status=404)
    slack.fail("chat.postEphemeral", error="is_archived")
    say(command(slack, "note seen"))
    assert SlackDelivery.objects.get().done_at is not None


def test_from_a_channel_we_are_not_in_the_answer_comes_as_a_direct_message(slack: FakeSlack, mara: User) -> None:
    say(command(slack, "declare", channel="C0PRIVATE"))
    view = slack.of("views.open")[0].body["view"]
    say(submit(view, {"title": "Refunds fail", "severity": "SEV3"}))
    direct = [call for call in slack.of("chat.postMessage") if call.body["channel"] == "U0MARA"]
    assert "declared" in direct[0].text


def test_what_cannot_be_worked_is_set_aside_and_keeps_nobody_waiting(
    slack: FakeSlack, room: Incident, clock: MovableClock
) -> None:
    SlackDelivery.objects.create(
        key="broken",
        kind="interaction",
        payload={
            "team": TEAM,
            "user": "U0MARA",
            "body": {"type": "view_submission", "view": {"private_metadata": "["}},
        },
        received_at=room.opened_at,
        due_at=room.opened_at,
    )
    for _ in range(4):
        say(command(slack, "note others go on"))
        clock.advance(minutes=1)
    assert SlackDelivery.objects.get(key="broken").given_up_at is not None
    assert TimelineEntry.objects.filter(kind="note").count() == 4


# -- who -------------------------------------------------------------------------------------------------------------
def test_who_is_not_linked_is_told_how_in_private_and_nothing_happens(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "ack", user="U0STRANGER"), press(slack, "rollback.1", room.ref, user="U0STRANGER"))
    assert "/incident link" in whispered(slack).text
    assert not Acknowledgement.objects.exists()
    assert not Rollback.objects.exists()


def test_a_role_revoked_between_the_card_and_the_press_refuses_the_press(
    slack: FakeSlack, room: Incident, mara: User
) -> None:
    (card,) = slack.root()
    mara.roles = [SiteRole.VIEWER]
    mara.save()
    say(*(press(slack, b["action_id"], b["value"]) for b in card["blocks"][-1]["elements"][:2]))
    assert not Acknowledgement.objects.exists()
    assert not Rollback.objects.exists()
    refused = [call.text for call in slack.of("response")]
    assert all(text.startswith("⊘ This needs the role") for text in refused)
    assert len(refused) == 2


def test_whoever_is_on_call_may_press_whatever_their_role(slack: FakeSlack, room: Incident, mara: User) -> None:
    mara.roles = [SiteRole.VIEWER]
    mara.save()
    on_call(mara)
    say(press(slack, "rollback.1", room.ref))
    assert Rollback.objects.exists()


def test_who_has_left_presses_nothing(slack: FakeSlack, room: Incident, mara: User) -> None:
    mara.is_active = False
    mara.save()
    say(command(slack, "ack"), command(slack, "status"))
    assert all("Your account is closed" in call.text for call in slack.of("response"))
    assert not Acknowledgement.objects.exists()


@pytest.mark.parametrize("mark", [{"bot_id": "B1"}, {"workflow": "W1"}])
def test_a_bot_is_never_a_person(slack: FakeSlack, room: Incident, mark: dict[str, str]) -> None:
    say(command(slack, "ack", **mark), command(slack, "ack", user="USLACKBOT"))
    assert "Only a person" in whispered(slack).text
    assert not Acknowledgement.objects.exists()


def test_a_user_of_another_workspace_is_nobody_here(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "ack", team_id="T0OTHER"))
    assert not Acknowledgement.objects.exists()


def test_hostile_words_call_nobody_wherever_they_are_shown(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "status"), command(slack, "list"), command(slack, "resolve"), command(slack, "note <!here> hi"))
    shown = "".join(call.shown for call in slack.calls)
    assert "<!channel>" not in shown
    assert "<!here>" not in shown
    assert "&lt;!channel&gt;" in shown


def test_channel_is_shown_where_the_card_stands(slack: FakeSlack, room: Incident) -> None:
    assert SlackCard.objects.get().channel == CHANNEL
