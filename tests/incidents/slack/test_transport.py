"""What leaves for Slack: posted once, told apart when refused, and known when nobody answers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import override_settings

from accounts.clock import now
from incidents.models import SlackHealth
from incidents.notifications import slack as transport
from incidents.notifications.base import TransportError
from tests.clock import MovableClock
from tests.fake_slack import CHANNEL, FakeSlack

pytestmark = pytest.mark.django_db


def test_a_message_is_posted_edited_and_answered_in_its_thread(slack: FakeSlack) -> None:
    posted = transport.post(CHANNEL, "Refunds fail", [{"type": "section", "text": {"type": "mrkdwn", "text": "Hm"}}])
    transport.update(posted.channel, posted.ts, "Refunds work")
    transport.post(CHANNEL, "Contained", thread_ts=posted.ts, broadcast=True)
    assert [message["text"] for message in slack.root()] == ["Refunds work"]
    (reply,) = slack.thread(posted.ts)
    assert reply["reply_broadcast"] is True
    assert transport.permalink(posted.channel, posted.ts).startswith("https://team.slack.com/archives/")


def test_without_a_token_it_says_that_slack_is_not_connected(db: None) -> None:
    assert not transport.connected()
    with pytest.raises(TransportError, match="Slack is not connected"):
        transport.post(CHANNEL, "hello")
    assert not SlackHealth.objects.exists()


def test_asked_to_wait_it_says_for_how_long_and_does_not_try_again(slack: FakeSlack) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=42)
    with pytest.raises(TransportError) as refused:
        transport.post(CHANNEL, "hello")
    assert refused.value.retry_after == 42
    assert len(slack.calls) == 1
    with pytest.raises(TransportError) as refused:  # nor for anybody else: the pause is the method's
        transport.post("C0OTHER", "hello")
    assert refused.value.retry_after == pytest.approx(42, abs=2)
    assert len(slack.calls) == 1
    slack.fail("chat.update", error="ratelimited")
    with pytest.raises(TransportError) as refused:
        transport.update(CHANNEL, "1.2", "hello")
    assert refused.value.retry_after == transport.PAUSE
    SlackHealth.objects.update(pauses={})
    assert not SlackHealth.objects.filter(unreachable_since__isnull=False).exists()


def test_a_pause_ends_and_other_methods_go_on_meanwhile(slack: FakeSlack, clock: MovableClock) -> None:
    posted = transport.post(CHANNEL, "hello")
    slack.fail("chat.postMessage", status=429, retry_after=42)
    with pytest.raises(TransportError):
        transport.post(CHANNEL, "again")
    transport.update(posted.channel, posted.ts, "edited")
    clock.advance(seconds=43)
    transport.post(CHANNEL, "again")


def test_a_slack_that_was_away_is_asked_whether_it_is_back(slack: FakeSlack, clock: MovableClock) -> None:
    slack.fail("chat.postMessage", status=503)
    with pytest.raises(TransportError):
        transport.post(CHANNEL, "hello")
    slack.fail("auth.test", status=503)
    transport.probe(now())
    transport.probe(now())
    assert [call.method for call in slack.calls].count("auth.test") == 1
    assert SlackHealth.objects.filter(unreachable_since__isnull=False).exists()
    clock.advance(seconds=30)
    transport.probe(now())
    assert not SlackHealth.objects.filter(unreachable_since__isnull=False).exists()
    transport.probe(now())
    assert [call.method for call in slack.calls].count("auth.test") == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"error": "invalid_auth"}, {"hang": 0.5}])
def test_a_slack_that_takes_nothing_is_unreachable_since_the_first_failure(
    slack: FakeSlack, noon: datetime, clock: MovableClock, fault: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", 0.2)
    transport._client.cache_clear()
    slack.fail("*", times=2, **fault)
    for _ in range(2):
        with pytest.raises(TransportError):
            transport.post(CHANNEL, "hello")
        clock.advance(minutes=1)
    health = SlackHealth.objects.get()
    assert health.unreachable_since is not None
    assert abs(health.unreachable_since - noon) < timedelta(seconds=5)
    assert health.error
    transport.post(CHANNEL, "hello again")
    health.refresh_from_db()
    assert health.unreachable_since is None
    assert health.answered_at is not None
    assert health.answered_at > noon + timedelta(minutes=1)


def test_a_connection_that_breaks_is_not_tried_twice(slack: FakeSlack) -> None:
    slack.down = True
    with pytest.raises(TransportError, match="does not answer"):
        transport.post(CHANNEL, "hello")
    assert SlackHealth.objects.get().unreachable_since is not None


def test_what_slack_refuses_about_one_message_says_nothing_of_slack(slack: FakeSlack) -> None:
    with pytest.raises(transport.SlackRefused) as refused:
        transport.post("C0ELSEWHERE", "hello")
    assert refused.value.code == "channel_not_found"
    assert SlackHealth.objects.get().unreachable_since is None


def test_a_whisper_where_we_are_no_member_becomes_a_direct_message(slack: FakeSlack) -> None:
    transport.whisper("C0PRIVATE", "U0MARA", "Only you")
    assert [call.method for call in slack.calls] == ["chat.postEphemeral", "chat.postMessage"]
    assert slack.calls[-1].body["channel"] == "U0MARA"


def test_response_urls_are_slacks_own_or_nobodys(slack: FakeSlack) -> None:
    transport.respond(slack.response_url(), "Done.")
    assert slack.of("response")[0].body["response_type"] == "ephemeral"
    with pytest.raises(TransportError, match="not one of Slack's"):
        transport.respond("http://169.254.169.254/latest/meta-data", "Done.")
    slack.fail("response", status=429, retry_after=7)
    with pytest.raises(TransportError) as refused:
        transport.respond(slack.response_url(), "Done.")
    assert refused.value.retry_after == 7


def test_a_token_that_is_wrong_is_told_as_such(slack: FakeSlack) -> None:
    with override_settings(SLACK_BOT_TOKEN="xoxb-other"), pytest.raises(TransportError, match="invalid_auth"):
        transport.post(CHANNEL, "hello")
    assert "invalid_auth" in SlackHealth.objects.get().error
