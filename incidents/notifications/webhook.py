"""Messages to somebody's webhook, signed as Standard Webhooks describes, so that any of its libraries verifies them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from email.utils import parsedate_to_datetime

from accounts import clock
from incidents.notifications import guard, wire
from incidents.notifications.base import Message, TransportError, shortened

PREFIX = "whsec_"


def new_secret() -> str:
    """A fresh signing secret: 256 random bits in the form that Standard Webhooks names."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``: HMAC-SHA256 over ``<id>.<timestamp>.<body>``."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise TransportError("Its signing secret is broken. Rotate the secret.") from None
    said = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()}"


class WebhookTransport:
    """One signed POST per message; any answer but 2xx is a failure, and nobody is followed elsewhere."""

    def __init__(self, resolve: guard.Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._resolve, self._tls = resolve, tls

    def send(self, message: Message) -> str:
        body = message.body.encode()
        timestamp = int(clock.now().timestamp())
        reply = wire.post(
            message.address,
            body,
            {
                "Content-Type": "application/json",
                "User-Agent": "Lastgood-Webhooks/1",
                "webhook-id": message.id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(message.secret, message.id, timestamp, body),
            },
            resolve=self._resolve,
            tls=self._tls,
        )
        said = shortened(reply.body, 200)
        answer = f"{reply.status}: {said}" if said else f"{reply.status}"
        if 200 <= reply.status < 300:
            return f"It answered {answer}"
        if 300 <= reply.status < 400:
            where = shortened(reply.headers.get("location", "nowhere"), 200)
            raise TransportError(
                f"It answered {reply.status} and points to {where}. Redirects are not followed: enter that address."
            )
        raise TransportError(f"It answered {answer}", retry_after=retry_after(reply.headers.get("retry-after", "")))


def retry_after(said: str) -> float | None:
    """Seconds, from the seconds or the date that the header Retry-After holds; None when it holds neither."""
    if said.strip().isdecimal() and len(said) < 10:
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - clock.now()).total_seconds(), 0)
    except (ValueError, TypeError):  # no date, or one without its zone
        return None
