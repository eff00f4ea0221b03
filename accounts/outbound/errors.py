"""What can go wrong on the way out, and what others said about it."""

from __future__ import annotations


class TransportError(Exception):
    """The message did not leave; trying again later may help.

    ``retry_after``: seconds that the other side asked us to wait, where it did.
    """

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Forbidden(TransportError):
    """Nothing may be sent there: trying again helps nothing until somebody changes what is configured."""


def shortened(answer: str, room: int = 300) -> str:
    """What somebody else's server said, as it may stand in a log: one line, nothing unprintable, not long."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in answer).split())
    return line if len(line) <= room else f"{line[: room - 1]}…"
