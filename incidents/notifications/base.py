"""What a transport is: a small thing that carries one message and may fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class TransportError(Exception):
    """The message did not leave; trying again later may help.

    ``retry_after``: seconds that the other side asked us to wait, where it did.
    """

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address, in plain text."""

    address: str
    subject: str
    body: str


class Transport(Protocol):
    """Carries messages to the addresses of one kind of destination."""

    def send(self, message: Message) -> None:
        """Hand ``message`` over, within seconds; raises TransportError when it was not taken."""


def split(destination: str) -> tuple[str, str]:
    """(transport, address) of a destination such as ``email:mara@example.com``."""
    transport, _, address = destination.partition(":")
    return transport, address
