"""Messages to somebody's webhook, signed as Standard Webhooks describes, so that any of its libraries verifies them."""

from __future__ import annotations

import ssl

from accounts.outbound import guard, signing
from incidents.notifications.base import Message


class WebhookTransport:
    """One signed POST per message; any answer but 2xx is a failure, and nobody is followed elsewhere."""

    def __init__(self, resolve: guard.Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._resolve, self._tls = resolve, tls

    def send(self, message: Message) -> str:
        reply = signing.post(
            message.address, message.body.encode(), message.id, message.secret, resolve=self._resolve, tls=self._tls
        )
        return f"It answered {signing.answered(reply)}"
