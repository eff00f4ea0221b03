"""Which transport carries which kind of destination."""

from __future__ import annotations

from incidents.notifications.base import Message, Transport, TransportError, split
from incidents.notifications.email import EmailTransport

TRANSPORTS: dict[str, Transport] = {"email": EmailTransport()}


def send(destination: str, subject: str, body: str) -> None:
    """Send to ``destination``, such as ``email:<address>``; TransportError when it did not leave."""
    name, address = split(destination)
    if name not in TRANSPORTS:
        raise TransportError(f"There is no way to send to {name!r}.")
    TRANSPORTS[name].send(Message(address, subject, body))
