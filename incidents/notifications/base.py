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


def shortened(answer: str, room: int = 300) -> str:
    """What somebody else's server said, as it may stand in a log: one line, nothing unprintable, not long."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in answer).split())
    return line if len(line) <= room else f"{line[: room - 1]}…"
