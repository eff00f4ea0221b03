"""Who may speak in Slack, how often a request acts, and what hostile words do: nothing."""

from __future__ import annotations

import pytest

from accounts.models import SiteRole, User
from incidents.models import Acknowledgement, Incident, SlackCard, SlackDelivery, TimelineEntry
from incidents.slack import work
from rollouts.models import Rollback
from tests.clock import MovableClock
from tests.factories.incidents import on_call, someone
from tests.factories.rollouts import running
from tests.fake_slack import CHANNEL, ELSEWHERE, TEAM, FakeSlack
from tests.slack_requests import command, keep, linked, press, say, submit

pytestmark = pytest.mark.django_db


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


def test_what_everybody_was_to_see_everybody_sees_also_at_the_second_try(slack: FakeSlack, room: Incident) -> None:
    running("1.0.0", "1.1.0", key="forge")
    slack.fail("response", status=429, retry_after=1)
    reason = "word " * 100
    say(command(slack, f"rollback forge/prod {reason}", channel=ELSEWHERE))
    SlackDelivery.objects.update(due_at=SlackDelivery.objects.get().received_at)
    say()
    answer = slack.of("response")[-1]
    assert answer.body["response_type"] == "in_channel"
    assert reason.strip() in answer.text
    assert Rollback.objects.count() == 1


def test_while_slack_is_away_people_are_obeyed_all_the_same_and_answered_later(
    slack: FakeSlack, room: Incident
) -> None:
    linked(someone("Jo"), "U0JO")
    slack.fail("*", status=503, times=50)
    keep(command(slack, "note seen"))
    keep(command(slack, "rollback", user="U0JO"))
    say()
    assert Rollback.objects.get().pressed_in == room.ref
    assert len(slack.of("response")) == 1
    slack.faults.clear()
    SlackDelivery.objects.update(due_at=SlackDelivery.objects.latest("pk").received_at)
    say()
    assert not SlackDelivery.objects.filter(done_at=None).exists()
    assert Rollback.objects.count() == 1


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


def test_a_dialog_does_not_wait_for_what_was_typed_before_but_a_whole_declaration_does(
    slack: FakeSlack, room: Incident
) -> None:
    keep(command(slack, "note seen"))
    dialog, whole = keep(command(slack, "declare")), keep(command(slack, "declare sev3 Something else"))
    assert dialog is not None
    assert whole is not None
    work.work_one(dialog.pk)
    assert len(slack.of("views.open")) == 1
    work.work_one(whole.pk)
    assert Incident.objects.count() == 1


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
    assert "/incident link" in slack.whispered().text
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
    assert "Only a person" in slack.whispered().text
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
