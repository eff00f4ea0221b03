"""What a transport is: a small thing that carries one message and may fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from accounts.outbound.errors import TransportError, shortened

__all__ = ["Message", "Transport", "TransportError", "shortened", "split"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address. ``id`` stays the same however often it is tried; ``secret`` signs it."""

    address: str
    subject: str
    body: str
    id: str = ""
    secret: str = ""


class Transport(Protocol):
    """Carries messages to the addresses of one kind of destination."""

    def send(self, message: Message) -> str:
        """Hand ``message`` over, within seconds, and say what was answered; TransportError when it was not taken."""


def split(destination: str) -> tuple[str, str]:
    """(transport, address) of a destination such as ``email:mara@example.com``."""
    transport, _, address = destination.partition(":")
    return transport, address
