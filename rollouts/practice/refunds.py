"""Customers who want money back, and the refund desk that the agent's tool calls. Pure.

An order is a function of its number, so that a restart can take up where the fleet was.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

#: Of every hundred refunds asked for: how many, from, to (dollars).
SPREAD = [(71, 8, 100), (27, 101, 500), (2, 501, 900)]
#: The desk never lets an agent refund more, whatever its prompt says.
SUPERVISED_OVER = 500
#: Customers who ask for so much have been told by a colleague that they will get it.
APPROVED_FROM = 101
#: Refused refunds wait here to be tried again; when it is full, customers are called back by hand.
QUEUE_LENGTH = 200
REASONS = ["arrived damaged", "not as described", "changed my mind", "arrived twice", "a part is missing"]


@dataclass(frozen=True, slots=True)
class Order:
    """One customer asking for ``amount`` dollars back; ``approved`` of them a colleague had granted before."""

    number: int
    amount: int
    reason: str
    approved: int = 0

    @property
    def id(self) -> str:
        return f"HH-{20_000 + self.number}"

    @property
    def conversation(self) -> str:
        return f"refund-{self.number}"


@lru_cache(maxsize=64)
def hundred(block: int) -> list[int]:
    """The amounts of one hundred orders: each kind spread evenly, so that any stretch has nearly the same mixture."""
    dice = random.Random(block)
    placed = [
        ((nth + dice.random()) / count, dice.randint(low, high)) for count, low, high in SPREAD for nth in range(count)
    ]
    return [amount for _, amount in sorted(placed)]


def order(number: int) -> Order:
    """The order of that number; the same every time."""
    block, place = divmod(number, 100)
    amount = hundred(block)[place]
    approved = amount if APPROVED_FROM <= amount <= SUPERVISED_OVER else 0
    return Order(number, amount, REASONS[number % len(REASONS)], approved)


class Refusal(StrEnum):
    """Why the desk refuses; the value is the span's ``error.type``."""

    OVER_AGENT_LIMIT = "refund_over_agent_limit"
    NEEDS_SUPERVISOR = "refund_needs_supervisor"


def issue_refund(amount: float, authorised_up_to: float) -> Refusal | None:
    """The desk's answer to a tool call: None when the money goes out."""
    if amount > SUPERVISED_OVER:
        return Refusal.NEEDS_SUPERVISOR
    if amount > authorised_up_to:
        return Refusal.OVER_AGENT_LIMIT
    return None


class RetryQueue:
    """Refunds refused for the agent's limit, each with the digest of the bundle that refused it."""

    def __init__(self, waiting: Iterable[tuple[int, str]] = ()) -> None:
        self._waiting = deque(waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, number: int, refused_by: str) -> bool:
        """False when the queue is full: a person calls that customer back."""
        if len(self._waiting) >= QUEUE_LENGTH:
            return False
        self._waiting.append((number, refused_by))
        return True

    def take(self, running: Container[str]) -> Order | None:
        """The longest waiting refund, once the bundle that refused it is not among ``running`` (digests)."""
        if self._waiting and self._waiting[0][1] not in running:
            return order(self._waiting.popleft()[0])
        return None

    def waiting(self) -> dict[str, list[int]]:
        """Digest of what refused them → their numbers, for a report to keep; :func:`queued` reads it again."""
        found: dict[str, list[int]] = {}
        for number, refused_by in self._waiting:
            found.setdefault(refused_by, []).append(number)
        return found


def queued(waiting: Mapping[str, Iterable[int]]) -> RetryQueue:
    """The queue that :meth:`RetryQueue.waiting` told of."""
    return RetryQueue((number, refused_by) for refused_by, numbers in waiting.items() for number in numbers)
