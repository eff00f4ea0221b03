"""Messages signed as Standard Webhooks describes, so that any of its libraries verifies them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from email.utils import parsedate_to_datetime

from accounts import clock
from accounts.outbound import guard, wire
from accounts.outbound.errors import TransportError, shortened

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


def post(
    address: str,
    body: bytes,
    message_id: str,
    secret: str,
    *,
    resolve: guard.Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> wire.Reply:
    """One signed POST; any answer but 2xx is a TransportError, and nobody is followed elsewhere."""
    timestamp = int(clock.now().timestamp())
    return taken(
        wire.post(
            address,
            body,
            {
                "Content-Type": "application/json",
                "User-Agent": "Lastgood-Webhooks/1",
                "webhook-id": message_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(secret, message_id, timestamp, body),
            },
            resolve=resolve,
            tls=tls,
        )
    )


def taken(reply: wire.Reply) -> wire.Reply:
    """``reply`` when it is a 2xx; TransportError with its first words otherwise."""
    if 200 <= reply.status < 300:
        return reply
    if 300 <= reply.status < 400:
        where = shortened(reply.headers.get("location", "nowhere"), 200)
        raise TransportError(
            f"It answered {reply.status} and points to {where}. Redirects are not followed: enter that address."
        )
    raise TransportError(
        f"It answered {answered(reply)}", retry_after=retry_after(reply.headers.get("retry-after", ""))
    )


def answered(reply: wire.Reply) -> str:
    """Status and first words of ``reply``, in one line."""
    said = shortened(reply.body, 200)
    return f"{reply.status}: {said}" if said else f"{reply.status}"


def retry_after(said: str) -> float | None:
    """Seconds, from the seconds or the date that the header Retry-After holds; None when it holds neither."""
    if said.strip().isdecimal() and len(said) < 10:
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - clock.now()).total_seconds(), 0)
    except (ValueError, TypeError):  # no date, or one without its zone
        return None
