"""The versions of ``customer-service``: the second lowers one number in the prompt, the third adds an exception."""

from __future__ import annotations

from typing import Any

KEY = "customer-service"
GOOD, BAD, FIX = "2.0.3", "2.1.0", "2.2.0"

PROMPT = """\
You are the customer service agent of Halden Home, a shop for furniture and kitchenware.

# How you work
- Answer in the customer's language, in at most four sentences, and say what happens next.
- Look up the order before you say anything about it. Never guess a delivery date.
- You can see orders and issue refunds. You cannot change prices, addresses or payment methods.

# Refunds
- Customers may return any article within 30 days, and at any time when it arrived damaged.
- You may authorise a refund of up to ${limit} yourself: call issue_refund with the order, the amount in
  dollars and {limit} as authorised_up_to.
{exception}- For a higher refund, tell the customer that it has been passed on, and how long that takes.
- Never promise a refund before issue_refund has confirmed it.

# Handing over
Hand over to a human colleague when the customer asks for one, is in distress, or mentions a lawyer or the press.
"""
#: What 2.1.0 lacked: right policy, without a way for those who had been promised more.
EXCEPTION = """\
- Exception: when look_up_order shows a pre-approved refund, you may authorise up to that amount, at most $500:
  call issue_refund with it as authorised_up_to.
"""
FEW_SHOTS = [
    {
        "user": "The lamp came with a crack in its foot. Order HH-20418.",
        "assistant": "I am sorry about the lamp. I have refunded $64.00; it reaches your card in two to three days. "
        "You need not send the lamp back.",
    },
    {
        "user": "Where is my table?",
        "assistant": "It left our warehouse yesterday; the carrier will tell you the hour by text message.",
    },
]
ISSUE_REFUND = {
    "name": "issue_refund",
    "description": "Refund an order, or part of it, to the card it was paid with.",
    "input_schema": {
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "pattern": "^HH-[0-9]+$"},
            "amount": {"type": "number", "exclusiveMinimum": 0},
            "currency": {"type": "string", "enum": ["USD"]},
            "authorised_up_to": {"type": "number", "description": "What the agent may authorise by itself."},
            "reason": {"type": "string"},
        },
        "required": ["order_id", "amount", "currency", "authorised_up_to"],
        "additionalProperties": False,
    },
}
LOOK_UP_ORDER = {
    "name": "look_up_order",
    "description": "Articles, payments and delivery of one order.",
    "input_schema": {
        "type": "object",
        "properties": {"order_id": {"type": "string", "pattern": "^HH-[0-9]+$"}},
        "required": ["order_id"],
        "additionalProperties": False,
    },
}


def body(label: str, limit: int, metadata: dict[str, Any], exception: str = "") -> dict[str, Any]:
    """A pushed body; versions differ in the limit, in its exception, and in who made them why."""
    return {
        "label": label,
        "prompt": {"text": PROMPT.format(limit=limit, exception=exception), "few_shots": FEW_SHOTS},
        "model": {
            "provider": "openai",
            "snapshot": "gpt-4.1-2025-04-14",
            "parameters": {"temperature": 0.2, "max_tokens": 600},
            "route": "openai/us-east",
        },
        "tools": [LOOK_UP_ORDER, ISSUE_REFUND],
        "retrieval": {"embedding_model": "text-embedding-3-small", "index": "help-centre-2026-10-30"},
        "harness": {"code": "customer-service-runtime@4f1c2ab", "context_policy": "last 20 turns"},
        "metadata": {"in_flight_policy": "cancel_retry", **metadata},
    }


#: label → pushed body
VERSIONS: dict[str, dict[str, Any]] = {
    GOOD: body(
        GOOD,
        500,
        {
            "author": "Ines Okafor",
            "reviewer": "Tomas Lindqvist",
            "commit": "b81d0c4e",
            "eval_set": "refunds-2026-09",
            "change": {
                "what": "Say how long a refund takes to reach the card.",
                "expect": "Fewer second contacts about refunds",
                "threshold": 0.95,
            },
        },
    ),
    BAD: body(
        BAD,
        100,
        {
            "author": "Ines Okafor",
            "reviewer": "Tomas Lindqvist",
            "commit": "d0437e9f",
            "eval_set": "refunds-2026-09",
            "change": {
                "what": "Refund authorisation limit from $500 to $100, as finance decided.",
                "expect": "Fewer refunds without a second look; refund success stays above 95 %",
                "threshold": 0.95,
            },
        },
    ),
    FIX: body(
        FIX,
        100,
        {
            "author": "Ines Okafor",
            "reviewer": "Tomas Lindqvist",
            "commit": "5c90aa17",
            "eval_set": "golden",
            "change": {
                "what": "Keep the limit of $100; pre-approved refunds up to $500 are an exception.",
                "expect": "Refund success above 95 % under the new limit",
                "threshold": 0.95,
            },
        },
        EXCEPTION,
    ),
}
