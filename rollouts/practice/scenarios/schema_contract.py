"""The schema contract: a prompt lets the model write fields as it likes, and whoever reads them stops."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from rollouts.practice.resolved import Bundle
from rollouts.practice.scenarios.base import Scenario, Where, body, outcome_case, spread, tool
from rollouts.practice.spans import Call, Consumer, Trace

TOOL = "file_work_order"
PROMPT = """\
You turn what a customer of Harrow Forge writes into one work order, and file it with file_work_order.

# Fields
- account_id: the account the customer writes from.
- item: what is to be made or repaired, in one line.
- quantity: {quantity}
- due: {due}
- priority: {priority}
- note: whatever else the workshop should know.

# Rules
- File one order per message. Never answer the customer yourself.
- When a message is no order, file nothing and say so.
"""
STRICT = {
    "quantity": "a whole number; 1 when none is said.",
    "due": "the day as YYYY-MM-DD; work it out when the customer says it in words.",
    "priority": "low, normal or high; what is critical is high.",
}
LOOSE = {
    "quantity": "a whole number; leave it out when none is said.",
    "due": "as the customer said it.",
    "priority": "low, normal, high or critical.",
}
FILE_WORK_ORDER = tool(
    TOOL,
    "File one work order with the workshop.",
    {
        "account_id": {"type": "string", "pattern": "^AC-[0-9]+$"},
        "item": {"type": "string"},
        "quantity": {"type": "integer", "minimum": 1},
        "due": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "priority": {"type": "string", "enum": ["low", "normal", "high"]},
        "note": {"type": "string"},
    },
    ["account_id", "item", "quantity", "due", "priority"],
)
#: The agents of the fleet that share this prompt, and how many of every twenty instances each has.
AGENTS = (*("forge-intake",) * 10, *("forge-repairs",) * 6, *("forge-restock",) * 4)
#: Of every hundred messages: a due day said in words, a critical one, one without a quantity, an order by the dozen.
KINDS = {"due": 9, "priority": 6, "quantity": 4, "dozen": 1}
REASONS = {
    "due": "due is not a date",
    "priority": "priority is not one of low, normal, high",
    "quantity": "quantity is missing",
    "dozen": "quantity is not a whole number",
}
ITEMS = ["hinge pins, 12 mm", "gate latch", "anvil face, regrind", "fire grate", "stair rail, 3 m"]


@lru_cache(maxsize=32)
def fields(text: str) -> dict[str, str]:
    """What a prompt says of each field."""
    return dict(re.findall(r"^- (\w+): (.+)$", text, re.MULTILINE))


def order_of(text: str, kind: str, number: int) -> dict[str, Any]:
    """What the model files for a message of that kind under that prompt."""
    said = fields(text)
    order: dict[str, Any] = {
        "account_id": f"AC-{4_000 + number % 900}",
        "item": ITEMS[number % len(ITEMS)],
        "quantity": 1 + number % 6,
        "due": "2026-12-11",
        "priority": "normal",
    }
    if kind == "due" and "YYYY-MM-DD" not in said.get("due", ""):
        order["due"] = "end of next week"
    elif kind == "priority":
        order["priority"] = "critical" if "critical." in said.get("priority", "") else "high"
    elif kind == "quantity":
        order["quantity"] = 1
        if "leave it out" in said.get("quantity", ""):
            del order["quantity"]
    elif kind == "dozen":
        order["quantity"] = "a dozen"
    return order


def fault(order: dict[str, Any]) -> str:
    """Which rule of the contract this order breaks; blank when it keeps them all."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(order["due"])):
        return "due"
    if order["priority"] not in {"low", "normal", "high"}:
        return "priority"
    if "quantity" not in order:
        return "quantity"
    return "" if isinstance(order["quantity"], int) else "dozen"


def consumers(broken: str) -> tuple[Consumer, ...]:
    """Who reads an order, and who cannot read this one."""
    why = REASONS.get(broken, "")
    return (
        Consumer("work-orders", "POST /orders", "invalid_order" if broken else "", why),
        Consumer("supplier-mail", "POST /drafts", "no_delivery_day" if broken == "due" else "", why),
        Consumer("stock-ledger", "POST /reservations"),
    )


def serve(bundle: Bundle, number: int, where: Where, moved: bool) -> Trace:
    """One message; without its tool the instance hands it to a human."""
    kind, conversation = spread(number, KINDS), f"order-{number}"
    agent = AGENTS[where.place % len(AGENTS)]
    if not bundle.may_call(TOOL):
        return Trace(bundle, conversation, bundle.fallback, None, "handed_over", agent=agent)
    order = order_of(bundle.text, kind, number)
    broken = fault(order)
    call = Call(
        TOOL,
        order,
        {"rejected": REASONS[broken]} if broken else {"filed": True},
        "schema_invalid" if broken else "",
        REASONS.get(broken, ""),
    )
    return Trace(
        bundle,
        conversation,
        "Filed.",
        good=not broken,
        outcome="rejected" if broken else "filed",
        facts={"order.outcome": "rejected" if broken else "filed"},
        calls=(call,),
        consumers=consumers(broken),
        agent=agent,
    )


def version(label: str, rules: dict[str, str], what: str, expect: str, code: str = "forge-runtime@77ab310") -> Any:
    return body(label, PROMPT.format(**rules), (what, expect), tools=[FILE_WORK_ORDER], code=code)


def cases(bad: str) -> tuple[dict[str, Any], ...]:
    """One for each pattern that ``bad`` fails with."""
    return (
        outcome_case("due-in-words", "A due day said in words is filed as a date", {"message": "due"}, "filed", bad),
        outcome_case("critical", "What is critical is filed as high", {"message": "priority"}, "filed", bad),
        outcome_case("no-quantity", "One is filed when no quantity is said", {"message": "quantity"}, "filed", bad),
    )


SCENARIO = Scenario(
    name="schema-contract",
    title="The schema contract",
    happens="forge.system 1.4.0 goes live. One work order in five no longer fits the schema, and two of the three "
    "systems that read them report errors. The monitor sees the schema-valid rate below 95 %.",
    teaches="Count the failures, group them into patterns, see who consumes and who depends, then pin the last good.",
    contain="Roll back to 1.3.2.",
    minutes=8,
    key="forge.system",
    metric="schema_valid_rate",
    measures="Schema-valid rate",
    alert="SchemaValidLow",
    trouble="files work orders that nobody can read",
    serve=serve,
    versions={
        "1.3.2": version("1.3.2", STRICT, "Say what a note is for.", "Fewer questions from the workshop"),
        "1.4.0": version("1.4.0", LOOSE, "Keep the customer's own words.", "Fewer wrong guesses in work orders"),
        "1.4.1": version(
            "1.4.1",
            STRICT | {"due": "the day as YYYY-MM-DD; the customer's own words go into note."},
            "Fields as the schema has them; the customer's own words go into note.",
            "Schema-valid rate back above 95 %, and fewer wrong guesses",
        ),
    },
    first=("1.3.2",),
    release="1.4.0",
    fixes=("1.4.1",),
    cases=cases("1.4.0"),
)
ALONE = Scenario(
    name="no-way-back",
    title="Nothing to go back to",
    happens="foundry.system has only ever had one version in prod, 1.0.0, and it breaks the contract of those who "
    "read its work orders. Roll back finds nothing.",
    teaches="Where no version is good, stop the agent and send its work to a human until a patch is ready.",
    contain="Stop the agent; its work goes to a human.",
    minutes=6,
    key="foundry.system",
    metric="schema_valid_rate",
    measures="Schema-valid rate",
    alert="SchemaValidLow",
    trouble="files work orders that nobody can read",
    serve=serve,
    versions={
        "1.0.0": version("1.0.0", LOOSE, "The first version.", "Work orders without typing", "foundry@1d20c4e"),
        "1.0.1": version("1.0.1", STRICT, "Fields as the schema has them.", "Schema-valid", "foundry@1d20c4e"),
    },
    first=(),
    release="1.0.0",
    fixes=("1.0.1",),
    cases=cases("1.0.0"),
)
