"""Whether a request is Slack's own, and fresh."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from prometheus_client import Counter
from slack_sdk.signature import Clock, SignatureVerifier

from accounts import clock

#: Seconds that a request may be old, or ahead of us.
FRESH = 5 * 60
REFUSED = Counter("lastgood_slack_refused", "Requests at Slack's doors that were not Slack's, or not fresh", ["reason"])


class Forged(Exception):
    """Not Slack's, or not of these five minutes."""


class _Clock(Clock):
    def now(self) -> float:
        return clock.now().timestamp()


def check(body: bytes, headers: Mapping[str, str]) -> None:
    """Raise Forged unless ``body``, as it came, was signed with our secret less than five minutes ago.

    ``headers`` are named in lower case. What is refused is counted and not kept.
    """
    timestamp, signature = headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 13 and signature.isascii()):
        _refuse("malformed")
    if abs(_Clock().now() - int(timestamp)) > FRESH:
        _refuse("stale")
    try:
        genuine = SignatureVerifier(settings.SLACK_SIGNING_SECRET, _Clock()).is_valid(body, timestamp, signature)
    except UnicodeDecodeError:  # Slack signs text
        genuine = False
    if not genuine:
        _refuse("signature")


def _refuse(reason: str) -> None:
    REFUSED.labels(reason).inc()
    raise Forged(reason)
