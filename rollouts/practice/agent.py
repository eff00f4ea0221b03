"""What one refund agent does with a customer, given only the bundle it last resolved. Pure.

The model is simulated by the least that depends on the prompt: it reads there how much it may refund, and whether a
refund that was approved before is an exception.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from rollouts.practice.refunds import Order, Refusal, issue_refund
from rollouts.practice.resolved import Bundle
from rollouts.practice.spans import Call, Trace

TOOL = "issue_refund"
_LIMIT = re.compile(r"refund of up to\s+\$\s?([\d,]+(?:\.\d+)?)", re.IGNORECASE)
_EXCEPTION = re.compile(r"pre-approved[^.]*?(?:at most|up to)\s+\$\s?([\d,]+(?:\.\d+)?)", re.IGNORECASE)


class Outcome(StrEnum):
    """What the customer got."""

    REFUNDED = "refunded"
    REFUSED = "refused"
    HANDED_OVER = "handed_over"


@dataclass(frozen=True, slots=True)
class Answer:
    """One customer served, by which bundle; ``authorised`` is what it told the desk that it may refund."""

    order: Order
    outcome: Outcome
    bundle: Bundle
    refusal: Refusal | None = None
    says: str = ""
    authorised: float = 0.0


@lru_cache(maxsize=32)
def limits(text: str) -> tuple[float | None, float]:
    """What a prompt grants: (up to how much, up to how much of a refund that was approved before)."""
    stated, exception = _LIMIT.search(text), _EXCEPTION.search(text)
    return dollars(stated) if stated else None, dollars(exception) if exception else 0.0


def dollars(found: re.Match[str]) -> float:
    return float(found[1].replace(",", ""))


def may_refund(bundle: Bundle) -> bool:
    """Stopped, without its tool, or with a prompt that grants nothing, it hands every customer to a human."""
    return bundle.may_call(TOOL) and limits(bundle.text)[0] is not None


def serve(bundle: Bundle, order: Order) -> Answer:
    """One refund asked of an instance that runs ``bundle``."""
    limit, exception = limits(bundle.text)
    if limit is None or not may_refund(bundle):
        return Answer(order, Outcome.HANDED_OVER, bundle, says=bundle.fallback)
    authorised = max(limit, min(order.approved, exception))
    refusal = issue_refund(order.amount, authorised)
    outcome = Outcome.REFUNDED if refusal is None else Outcome.REFUSED
    says = f"I have refunded ${order.amount}.00."
    if refusal is not None:
        says = f"I cannot refund ${order.amount}.00 myself; I have passed it on."
    return Answer(order, outcome, bundle, refusal, says, authorised)


def trace(answer: Answer) -> Trace:
    """What is seen of it from outside."""
    order, refusal = answer.order, answer.refusal
    calls: list[Call] = []
    if answer.outcome != Outcome.HANDED_OVER:
        arguments = {
            "order_id": order.id,
            "amount": order.amount,
            "currency": "USD",
            "authorised_up_to": answer.authorised,
            "reason": order.reason,
        }
        why = f"refused: ${order.amount} is over what the agent may authorise (${answer.authorised:.0f})"
        result = {"refused": str(refusal)} if refusal else {"refunded": True}
        calls.append(Call(TOOL, arguments, result, str(refusal or ""), why if refusal else ""))
    return Trace(
        bundle=answer.bundle,
        conversation=order.conversation,
        says=answer.says,
        good={Outcome.REFUNDED: True, Outcome.REFUSED: False}.get(answer.outcome),
        outcome=answer.outcome.value,
        facts={
            "refund.outcome": answer.outcome.value,
            "refund.amount": order.amount,
            **({"refund.approved": order.approved} if order.approved else {}),
        },
        error_type=str(refusal or ""),
        message=answer.says if refusal else "",
        calls=tuple(calls),
    )
