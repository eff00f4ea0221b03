"""What leaves for Slack: each function is one call of its Web API, within seconds, never tried again by itself.

A row with a due time calls these and tries again; the client's own retries could post a message twice. Whether
Slack answers is kept in :class:`SlackHealth`, which rooms show.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Coalesce
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient

from accounts import clock
from incidents.models import SlackHealth
from incidents.notifications.base import TransportError

#: Seconds that one call may take. Slack answers in well under one.
TIMEOUT = 5
#: Slack asks for a pause without saying how long.
PAUSE = 30.0
NOT_CONNECTED = "Slack is not connected."
#: How often a Slack that did not answer is asked whether it does again, while nothing else asks it.
PROBE = timedelta(seconds=20)
#: Slack answers, but not to us: nothing leaves until somebody repairs the installation.
SHUT_OUT = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
#: Where Slack has its response URLs; a tested installation has them where its API is.
RESPONSE_HOSTS = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})

#: Methods that read their arguments from a form only.
READING = frozenset(
    {
        "auth.test",
        "chat.getPermalink",
        "conversations.history",
        "conversations.info",
        "conversations.replies",
        "users.info",
    }
)

Block = dict[str, Any]


class SlackRefused(TransportError):
    """Slack answered, and said no; ``code`` is its word, such as ``channel_not_found``."""

    def __init__(self, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"Slack answered {code}.", retry_after=retry_after)
        self.code = code


@dataclass(frozen=True, slots=True)
class Posted:
    """Slack's names of a message: the channel's id, and the ``ts`` that edits it and holds its thread."""

    channel: str
    ts: str


def connected() -> bool:
    """Whether this installation has a bot token."""
    return bool(settings.SLACK_BOT_TOKEN)


def post(
    channel: str,
    text: str,
    blocks: Sequence[Block] | None = None,
    thread_ts: str = "",
    *,
    broadcast: bool = False,
    metadata: dict[str, Any] | None = None,
) -> Posted:
    """Post a message, in a thread when ``thread_ts`` names its root, and to the channel too with ``broadcast``.

    ``text`` is mrkdwn: what others wrote goes through an escape first. TransportError when it did not leave.
    """
    answer = call(
        "chat.postMessage",
        channel=channel,
        text=text,
        blocks=blocks,
        thread_ts=thread_ts or None,
        reply_broadcast=broadcast or None,
        metadata=metadata,
        unfurl_links=False,
        unfurl_media=False,
    )
    return Posted(answer["channel"], answer["ts"])


def update(channel: str, ts: str, text: str, blocks: Sequence[Block] | None = None) -> Posted:
    """Edit a message of ours in place."""
    answer = call("chat.update", channel=channel, ts=ts, text=text, blocks=blocks)
    return Posted(answer["channel"], answer["ts"])


def whisper(channel: str, user: str, text: str, blocks: Sequence[Block] | None = None) -> None:
    """Tell one person in a channel what nobody else sees; by a direct message where we are not in the channel."""
    try:
        call("chat.postEphemeral", channel=channel, user=user, text=text, blocks=blocks)
    except SlackRefused as refusal:
        if refusal.code not in {"channel_not_found", "not_in_channel", "user_not_in_channel"}:
            raise
        post(user, text, blocks)


def respond(
    url: str, text: str, blocks: Sequence[Block] | None = None, *, in_channel: bool = False, replace: bool = False
) -> None:
    """Answer a command or a press through its response URL, which lives for 30 minutes."""
    if urlsplit(url).hostname not in RESPONSE_HOSTS | {urlsplit(settings.SLACK_API_URL).hostname}:
        raise TransportError("The response URL is not one of Slack's.")
    client = WebhookClient(url, timeout=TIMEOUT, retry_handlers=[])
    try:
        answer = client.send(
            text=text,
            blocks=blocks,
            response_type="in_channel" if in_channel else "ephemeral",
            replace_original=replace,
        )
    except (OSError, http.client.HTTPException, SlackClientError, ValueError) as error:
        raise _unreachable(error) from error
    if answer.status_code == 429:
        raise SlackRefused("ratelimited", retry_after=_seconds(answer.headers))
    if answer.status_code >= 500:
        raise _unreachable(f"HTTP {answer.status_code}")
    if answer.status_code != 200:
        raise SlackRefused(answer.body[:100] or f"HTTP {answer.status_code}")
    _answered()


def open_view(trigger_id: str, view: dict[str, Any]) -> None:
    """Open a dialog; the trigger is good for three seconds."""
    call("views.open", trigger_id=trigger_id, view=view)


def permalink(channel: str, ts: str) -> str:
    """The address of a message."""
    return str(call("chat.getPermalink", channel=channel, message_ts=ts)["permalink"])


def call(method: str, **arguments: Any) -> SlackResponse:
    """One call of the Web API; what is None is left out. TransportError when Slack did not do it.

    While Slack has asked to be left alone with ``method`` nothing is sent, whatever row it would be for.
    """
    if not connected():
        raise TransportError(NOT_CONNECTED)
    if (pause := _pause_of(method)) > 0:
        raise SlackRefused("ratelimited", retry_after=pause)
    given = {name: value for name, value in arguments.items() if value is not None}
    if method in READING:  # these take no JSON
        sent: dict[str, Any] = {"params": given}
    else:
        sent = {"json": given}
    try:
        answer = _client(settings.SLACK_BOT_TOKEN, settings.SLACK_API_URL).api_call(method, **sent)
    except SlackApiError as error:
        refused = _refused(error.response)
        if refused.retry_after is not None:
            _pause(method, refused.retry_after)
        raise refused from error
    except (OSError, http.client.HTTPException, SlackClientError, ValueError) as error:
        raise _unreachable(error) from error
    _answered()
    return answer


@lru_cache(maxsize=4)
def _client(token: str, url: str) -> WebClient:
    return WebClient(token, base_url=url, timeout=TIMEOUT, retry_handlers=[])


def _refused(answer: SlackResponse) -> TransportError:
    """What Slack said when it did not do it."""
    said = answer.data if isinstance(answer.data, dict) else {}
    code = str(said.get("error") or f"HTTP {answer.status_code}")[:200]
    if answer.status_code >= 500:
        return _unreachable(f"HTTP {answer.status_code}")
    if answer.status_code == 429 or code in {"ratelimited", "rate_limited"}:
        return SlackRefused("ratelimited", retry_after=_seconds(answer.headers))
    if code in SHUT_OUT:
        _failed(f"Slack refuses this installation: {code}.")
    else:
        _answered()
    return SlackRefused(code)


def _seconds(headers: Any) -> float:
    """The Retry-After header, which is whole seconds."""
    said = {str(name).lower(): value for name, value in dict(headers).items()}.get("retry-after", "")
    value = said[0] if isinstance(said, list) and said else said
    return float(value) if str(value).isascii() and str(value).isdigit() else PAUSE


def _unreachable(error: object) -> TransportError:
    sentence = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
    _failed(sentence)
    return TransportError(f"Slack does not answer ({sentence[:200]}).")


def probe(at: datetime) -> None:
    """Ask a Slack that did not answer whether it does again, now and then: it may be that nothing else will."""
    silent = SlackHealth.objects.filter(id=1, unreachable_since__isnull=False)
    if connected() and silent.filter(Q(probed_at=None) | Q(probed_at__lt=at - PROBE)).update(probed_at=at):
        with contextlib.suppress(TransportError):
            call("auth.test")


def _pause_of(method: str) -> float:
    """Seconds for which Slack wants no more of ``method``; 0 when it takes it."""
    pauses = SlackHealth.objects.filter(id=1).values_list("pauses", flat=True).first() or {}
    until = pauses.get(method)
    return max(0.0, (datetime.fromisoformat(until) - clock.now()).total_seconds()) if until else 0.0


def _pause(method: str, seconds: float) -> None:
    """Nothing of ``method`` leaves for so long."""
    now = clock.now()
    health, _ = SlackHealth.objects.get_or_create(id=1)
    kept = {name: until for name, until in health.pauses.items() if datetime.fromisoformat(until) > now}
    kept[method] = (now + timedelta(seconds=seconds)).isoformat()
    SlackHealth.objects.filter(id=1).update(pauses=kept)


def _answered() -> None:
    """Slack did as it was told."""
    at = clock.now()
    if not SlackHealth.objects.filter(id=1).update(answered_at=at, unreachable_since=None, error=""):
        SlackHealth.objects.get_or_create(id=1, defaults={"answered_at": at})


def _failed(error: str) -> None:
    """Nothing leaves, since the first of these."""
    SlackHealth.objects.get_or_create(id=1)
    SlackHealth.objects.filter(id=1).update(
        unreachable_since=Coalesce("unreachable_since", clock.now()), error=error[:300]
    )
