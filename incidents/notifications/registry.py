"""Which transport carries which kind of destination."""

from __future__ import annotations

from incidents.notifications import slack
from incidents.notifications.base import Message, Transport, TransportError
from incidents.notifications.email import EmailTransport
from incidents.notifications.webhook import WebhookTransport


class SlackTransport:
    """One message in a channel; its body is mrkdwn, escaped already."""

    def send(self, message: Message) -> str:
        slack.post(message.address, message.body)
        return "Slack took it."


TRANSPORTS: dict[str, Transport] = {
    "email": EmailTransport(),
    "slack": SlackTransport(),
    "webhook": WebhookTransport(),
}


def send(kind: str, message: Message) -> str:
    """Send by ``kind`` of transport and say what was answered; TransportError when it did not leave."""
    if kind not in TRANSPORTS:
        raise TransportError(f"There is no way to send to {kind!r}.")
    return TRANSPORTS[kind].send(message)
