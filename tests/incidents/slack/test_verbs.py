"""What people say in Slack, and what comes of it."""

from __future__ import annotations

import pytest
from django.test import override_settings

from accounts.models import SiteRole, User
from incidents.models import Acknowledgement, Incident, Responder, SlackCard
from incidents.operations import contain
from rollouts.models import Rollback, Stop
from tests.factories.accounts import person
from tests.factories.incidents import incident, last, on_call, someone
from tests.factories.rollouts import deployment, running
from tests.fake_slack import ELSEWHERE, FakeSlack
from tests.slack_requests import command, keep, linked, press, say, submit

pytestmark = pytest.mark.django_db


# -- acknowledging ---------------------------------------------------------------------------------------------------
def test_acknowledging_from_slack_is_a_persons_act_through_slack(slack: FakeSlack, room: Incident, mara: User) -> None:
    say(command(slack, f"ack {room.ref}"))
    room.refresh_from_db()
    assert room.acknowledged_by == mara
    assert Acknowledgement.objects.get().surface == "slack"
    entry = last(room)
    assert (entry.kind, entry.actor_kind, entry.surface) == ("acknowledged", "person", "slack")
    assert "◍ Mara has" in slack.whispered().text


@pytest.mark.parametrize("text", ["ack", "ack 1", "ACK", "ack inc-1", "  ack  "])
def test_an_incident_is_meant_by_its_channel_or_by_its_number(slack: FakeSlack, room: Incident, text: str) -> None:
    say(command(slack, text.replace("1", room.ref.partition("-")[2])))
    room.refresh_from_db()
    assert room.acknowledged_at is not None


def test_where_several_are_open_a_button_each_says_which(slack: FakeSlack, room: Incident, mara: User) -> None:
    other = incident(deployment("other"), severity="SEV1", title="Another")
    say()
    say(command(slack, "ack"))
    asked = slack.whispered()
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
    assert "Mara acknowledged" in slack.whispered().text
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
    (button,) = slack.whispered().body["blocks"][-1]["elements"]
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
    (button,) = slack.whispered().body["blocks"][-1]["elements"]
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
    button = slack.whispered().body["blocks"][-1]["elements"][0]
    say(press(slack, button["action_id"], button["value"]))
    assert Stop.objects.latest("pk").kill_switch.scope == "whole"
    assert Stop.objects.latest("pk").reason == "everything is wrong"


def test_a_named_scope_of_a_named_incident_is_stopped(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, f"stop {room.ref} tool:refund paying twice", channel=ELSEWHERE))
    assert Stop.objects.get().kill_switch.scope == "tool:refund"
    assert "customer-service/prod" in slack.of("response")[-1].text


@pytest.mark.parametrize("verb", ["rollback", "stop"])
@pytest.mark.parametrize("reason", ["2 customers were charged twice", "forge is paying twice"])
def test_a_reason_that_begins_with_a_number_or_an_agent_moves_nothing_else(
    slack: FakeSlack, room: Incident, verb: str, reason: str
) -> None:
    running("1.0.0", "1.1.0", key="forge")
    other = incident(deployment("forge"))
    reason = reason.replace("2", other.ref.removeprefix("INC-"))
    say(command(slack, f"{verb} {reason}"))
    done = (Rollback if verb == "rollback" else Stop).objects.get()
    assert (done.pressed_in, done.reason) == (room.ref, reason)


def test_an_agent_with_its_environment_is_meant_wherever_it_is_typed(slack: FakeSlack, room: Incident) -> None:
    running("1.0.0", "1.1.0", key="forge")
    say(command(slack, "rollback forge/prod it pays twice"))
    assert Rollback.objects.get().deployment == deployment("forge")


def test_two_numbers_and_words_are_a_severity_and_its_reason(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "sev 1 4 regions are down"))
    room.refresh_from_db()
    assert room.severity == "SEV1"


def test_a_rollback_after_a_stop_is_heard_in_the_channel_too(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "stop"))
    say(command(slack, "rollback"))
    loud = [str(message["blocks"]) for message in slack.messages.values() if message.get("reply_broadcast")]
    assert len([words for words in loud if "2.1.0 → 2.0.0" in words]) == 1


# -- the rest --------------------------------------------------------------------------------------------------------
def test_a_note_reaches_the_timeline_as_it_was_read_in_slack(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "note <@U0JO|jo> saw 3 &lt; 5 on <https://x.example/d|the dashboard>"))
    assert last(room).text == "@jo saw 3 < 5 on https://x.example/d"
    assert slack.whispered().text.startswith("✔ On the timeline")


@pytest.mark.parametrize("text", ["sev 1", "sev SEV1", "sev {ref} 1", "sev {number} 1", "sev 1 it got worse"])
def test_the_severity_is_set_and_the_channel_hears_of_it(slack: FakeSlack, room: Incident, text: str) -> None:
    say(command(slack, text.format(ref=room.ref, number=room.ref.partition("-")[2])))
    room.refresh_from_db()
    assert room.severity == "SEV1"
    (loud,) = [message for message in slack.messages.values() if message.get("reply_broadcast")]
    assert "SEV2 → SEV1" in loud["text"]


def test_a_severity_there_is_not_is_refused_with_what_to_type(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "sev 9"))
    assert "`sev 1`" in slack.whispered().text


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
    assert "Only the person asked" in slack.whispered().text
    say(press(slack, accept["action_id"], accept["value"], user="U0JO"))
    assert Responder.objects.get(duty="commander").user == jo


def test_comms_people_accept_the_duty_that_is_theirs(slack: FakeSlack, room: Incident) -> None:
    linked(someone("Cleo", SiteRole.COMMS), "U0CLEO")
    say(command(slack, "role comms <@U0CLEO>"))
    button = slack.of("response")[-1].body["blocks"][-1]["elements"][0]
    say(press(slack, button["action_id"], button["value"], user="U0CLEO"))
    assert [str(row.user) for row in room.responders.filter(duty="comms")] == ["Cleo"]
    say(command(slack, "role operations <@U0MARA>", user="U0CLEO"))
    assert "This needs the role" in slack.whispered().text


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
    assert "declare sev3" in slack.whispered().text


def test_without_a_bot_token_a_dialog_is_replaced_by_what_to_type(slack: FakeSlack, mara: User) -> None:
    with override_settings(SLACK_BOT_TOKEN=""):
        say(command(slack, "declare"))
    assert not slack.of("views.open")
    assert "declare sev3" in slack.whispered().text


def test_resolving_shows_what_is_missing_with_links(slack: FakeSlack, room: Incident) -> None:
    say(command(slack, "resolve"))
    view = slack.of("views.open")[0].body["view"]
    assert "submit" not in view
    assert f"/i/{room.ref}/contain/|Stop the harm" in str(view)
    assert f"/i/{room.ref}/resolve/|Say why it happened" in str(view)


def test_resolving_by_dialog_and_what_was_written_comes_back_when_refused(slack: FakeSlack, room: Incident) -> None:
    contain.waive(room, actor=person(), reason="nothing runs")
    say(command(slack, "resolve"))
    view = slack.of("views.open")[0].body["view"]
    said = "The prompt had no output schema; 2.2.0 has one"
    say(submit(view, {"resolution": said}))
    refused = slack.of("chat.postEphemeral")[-1].text
    assert f"> {said}" in refused
    assert f"/i/{room.ref}/resolve/|Say why it happened" in refused
    say(submit(view, {"resolution": said, "origin": "user_side", "no_case_reason": "Their input, not ours"}))
    room.refresh_from_db()
    assert room.resolved_at is not None
    assert room.resolution == said


# -- reading ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["", "help", "status", "list", "legs", "oncall"])
def test_readings_are_for_whoever_asks_until_they_are_posted(slack: FakeSlack, room: Incident, text: str) -> None:
    say(command(slack, text))
    call = slack.whispered()
    assert call.body["blocks"]
    again = [b for block in call.body["blocks"] for b in block.get("elements", []) if b.get("action_id") == "post.0"]
    if again:
        say(press(slack, "post.0", again[0]["value"]))
        assert slack.of("response")[-1].body["response_type"] == "in_channel"
    assert bool(again) == (text not in {"", "help"})


def test_help_names_every_command(slack: FakeSlack, mara: User) -> None:
    say(command(slack, "help"))
    for word in ("declare", "ack", "status", "note", "rollback", "stop", "sev", "role", "resolve", "list", "help"):
        assert f"/incident {word}" in slack.whispered().shown


def test_a_command_there_is_not_is_answered_with_help(slack: FakeSlack, mara: User) -> None:
    say(command(slack, "explode <!here>"))
    assert "There is no command 'explode'" in slack.whispered().text


def test_who_is_on_call_is_told_by_team(slack: FakeSlack, mara: User) -> None:
    on_call(mara)
    say(command(slack, "oncall"))
    assert "Mara" in slack.whispered().shown
