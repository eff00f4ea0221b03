"""slack_sdk against our small Slack: what the double answers is what Slack's own client understands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.models.blocks import DividerBlock, HeaderBlock, SectionBlock
from slack_sdk.models.views import View
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient

from tests.fake_slack import BOT, CHANNEL, SECRET, TEAM, TOKEN, FakeSlack, fake_slack
from tests.slack_requests import command

pytestmark = pytest.mark.peer


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with fake_slack() as workspace:
        yield workspace


@pytest.fixture
def client(slack: FakeSlack) -> WebClient:
    return WebClient(TOKEN, base_url=slack.url, timeout=5)


def test_messages_are_posted_threaded_edited_and_found_again(slack: FakeSlack, client: WebClient) -> None:
    root = client.chat_postMessage(channel=CHANNEL, text="Refunds fail", blocks=[HeaderBlock(text="Refunds fail")])
    client.chat_postMessage(channel=CHANNEL, text="Contained", thread_ts=root["ts"], reply_broadcast=True)
    client.chat_update(channel=CHANNEL, ts=root["ts"], text="Refunds work")
    client.chat_postEphemeral(channel=CHANNEL, user="U0MARA", text="Only you")
    found = client.conversations_history(channel=CHANNEL, latest=root["ts"], inclusive=True, limit=1)["messages"]
    assert [message["text"] for message in found] == ["Refunds work"]
    assert client.chat_getPermalink(channel=CHANNEL, message_ts=root["ts"])["permalink"].startswith("https://")
    assert len(slack.thread(root["ts"])) == 1


def test_who_we_are_and_where(slack: FakeSlack, client: WebClient) -> None:
    slack.people["U0MARA"] = {"name": "mara", "is_bot": False}
    assert (client.auth_test()["team_id"], client.auth_test()["user_id"]) == (TEAM, BOT)
    assert client.users_info(user="U0MARA")["user"]["name"] == "mara"
    made = client.conversations_create(name="inc-142")["channel"]
    assert client.conversations_info(channel=made["id"])["channel"]["name"] == "inc-142"
    client.conversations_join(channel=CHANNEL)
    assert client.apps_connections_open(app_token="xapp-test")["url"].startswith("ws://")


def test_dialogs_open_for_three_seconds(slack: FakeSlack, client: WebClient) -> None:
    view = View(type="modal", title="Declare", blocks=[SectionBlock(text="What is wrong?")])
    trigger = slack.trigger()
    opened = client.views_open(trigger_id=trigger, view=view)["view"]
    client.views_update(view_id=opened["id"], view=view)
    slack.triggers[trigger] = 0
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        client.views_open(trigger_id=trigger, view=view)


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([DividerBlock()] * 51, "invalid_blocks"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}], "invalid_blocks"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "invalid_blocks"),
    ],
)
def test_what_slack_would_refuse_is_refused(client: WebClient, blocks: list[object], error: str) -> None:
    with pytest.raises(SlackApiError, match=error):
        client.chat_postMessage(channel=CHANNEL, text="x", blocks=blocks)  # type: ignore[arg-type]  # also wrong ones
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client.chat_postMessage(channel="C0NOWHERE", text="x")


def test_limits_are_told_as_slack_tells_them(slack: FakeSlack, client: WebClient) -> None:
    slack.fail("chat.postMessage", status=429, retry_after=7)
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=CHANNEL, text="x")
    assert refused.value.response.headers["Retry-After"] == "7"
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    slack.fail("chat.postMessage", status=429, retry_after=1)
    assert client.chat_postMessage(channel=CHANNEL, text="x")["ok"]


def test_response_urls_and_signatures_are_slacks(slack: FakeSlack) -> None:
    assert WebhookClient(slack.response_url()).send(text="Done.", response_type="ephemeral").status_code == 200
    asked = command(slack, "status")
    assert SignatureVerifier(SECRET).is_valid_request(asked.body, asked.headers)
    assert not SignatureVerifier("another").is_valid_request(asked.body, asked.headers)
