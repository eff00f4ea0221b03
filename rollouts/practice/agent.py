"""What one instance does with a customer, given only the bundle it last resolved. Pure.

The model is simulated by the least that depends on the prompt: it reads there how much it may refund.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rollouts.practice.refunds import Order, Refusal, issue_refund

TOOL = "issue_refund"
_LIMIT = re.compile(r"refund of up to\s+\$\s?([\d,]+(?:\.\d+)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What an instance keeps of the object flag it resolved."""

    enabled: bool
    fallback: str
    number: int | None = None
    label: str = ""
    digest: str = ""
    model: str = ""
    provider: str = ""
    limit: float | None = None
    may_refund: bool = False


class Outcome(StrEnum):
    """What the customer got."""

    REFUNDED = "refunded"
    REFUSED = "refused"
    HANDED_OVER = "handed_over"


@dataclass(frozen=True, slots=True)
class Answer:
    """One customer served, by which bundle."""

    order: Order
    outcome: Outcome
    bundle: Bundle
    refusal: Refusal | None = None
    says: str = ""
    retry: bool = False


def read(value: Mapping[str, Any]) -> Bundle:
    """The object flag's ``value``, as far as this agent needs it; an off-state when it is one."""
    if value.get("enabled") is not True:
        return Bundle(enabled=False, fallback=str(value.get("fallback") or "To a human"))
    version, model = value.get("version") or {}, value.get("model") or {}
    tools = {tool.get("name") for tool in value.get("tools") or [] if isinstance(tool, dict)}
    stated = _LIMIT.search(str((value.get("prompt") or {}).get("text", "")))
    return Bundle(
        enabled=True,
        fallback="To a human",
        number=version.get("number"),
        label=str(version.get("label", "")),
        digest=str(version.get("digest", "")),
        model=str(model.get("snapshot", "")),
        provider=str(model.get("provider", "")),
        limit=float(stated[1].replace(",", "")) if stated else None,
        may_refund=TOOL in tools and value.get("writes_enabled") is not False,
    )


def serve(bundle: Bundle, order: Order, *, retry: bool = False) -> Answer:
    """One refund asked of an instance that runs ``bundle``.

    Stopped, without its tool, or with a prompt that grants nothing, it hands the customer to a human.
    """
    if not bundle.enabled or not bundle.may_refund or bundle.limit is None:
        return Answer(order, Outcome.HANDED_OVER, bundle, says=bundle.fallback, retry=retry)
    refusal = issue_refund(order.amount, bundle.limit)
    if refusal is None:
        return Answer(order, Outcome.REFUNDED, bundle, says=f"I have refunded ${order.amount}.00.", retry=retry)
    return Answer(
        order,
        Outcome.REFUSED,
        bundle,
        refusal=refusal,
        says=f"I cannot refund ${order.amount}.00 myself; I have passed it on.",
        retry=retry,
    )
