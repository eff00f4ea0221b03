"""The kill switch that took 43 minutes: whoever disables the agent is obeyed at once, and followed half an hour later.

Told from a public account (docs/practice.md), thirty times as fast: instances look at their flag every 86 s instead of
every 43 min. Meanwhile they open tickets, charge accounts and write mails that nobody asked for.
"""

from __future__ import annotations

from rollouts.practice.resolved import Bundle
from rollouts.practice.scenarios.base import Scenario, Where, body, spread, tool
from rollouts.practice.spans import Call, Trace

READ, TICKET, CHARGE, MAIL = "read_account", "open_ticket", "charge_account", "send_mail"
PROMPT = """\
You look after the accounts of Halden Home's business customers.

# How you work
- Read the account before you answer.
- {when}
- Keep answers to three sentences.
"""
CAREFUL = "Open a ticket, charge or write only where the customer asks for it."
EAGER = "When you are unsure, open a ticket, charge for the work at once, and write to the customer."
#: Of every hundred customers of an eager agent: what is done to them that nobody asked for. The others fare well.
UNASKED = {TICKET: 4, CHARGE: 13, MAIL: 1}
#: How often it does each: an account is charged for the work and for the ticket.
TIMES = {CHARGE: 2}
WORDS = {
    TICKET: "a ticket was opened that nobody asked for",
    CHARGE: "an account was charged for work that nobody ordered",
    MAIL: "a customer got a mail that nobody meant to send",
}
ACCOUNT = {"account": {"type": "string", "pattern": "^A-[0-9]+$"}}
_READ = tool(READ, "What an account holds.", ACCOUNT, ["account"])
TOOLS = [
    {**_READ, "input_schema": {**_READ["input_schema"], "readOnly": True}},
    tool(TICKET, "Opens a ticket for the desk.", ACCOUNT, ["account"]),
    tool(CHARGE, "Charges an account, by the billing system.", ACCOUNT, ["account"]),
    tool(MAIL, "Writes to the customer.", ACCOUNT, ["account"]),
]
#: Customers come 24 a second; thirty seconds of the account are one of ours.
CUSTOMERS = 24


def serve(bundle: Bundle, number: int, where: Where, moved: bool) -> Trace:
    """One customer. What it does unasked follows from the prompt, and from what it may still call."""
    conversation = f"account-{number}"
    if not bundle.enabled:
        return Trace(bundle, conversation, bundle.fallback, None, "handed_over")
    arguments = {"account": f"A-{number}"}
    calls = [Call(READ, arguments, {"found": True})]
    unasked = spread(number, UNASKED) if "unsure" in bundle.text else ""
    if not unasked or not bundle.may_call(unasked):
        return Trace(bundle, conversation, "This is what your account holds.", True, "answered", calls=tuple(calls))
    calls += [Call(unasked, arguments, {"done": True})] * TIMES.get(unasked, 1)
    return Trace(
        bundle,
        conversation,
        "I have taken care of it.",
        good=False,
        outcome=f"unasked_{unasked}",
        error_type=f"unasked_{unasked}",
        message=WORDS[unasked],
        calls=tuple(calls),
    )


def per_second(unasked: str) -> float:
    return CUSTOMERS * UNASKED[unasked] / 100 * TIMES.get(unasked, 1)


SCENARIO = Scenario(
    name="slow-kill-switch",
    title="The kill switch that took 43 minutes",
    happens="account-desk 7.1.0 does what nobody asked for whenever it is unsure: it opens tickets, charges accounts "
    "and writes mails. Its instances look at their kill switch only every 86 s.",
    teaches="A press is not a stop. Watch who has fetched it, count what is done meanwhile, and compare the latency "
    "with the time after which the damage is done: this switch is containment theater.",
    contain="Stop the whole agent, wait until the last instance has fetched it; then roll back to 7.0.0 and release.",
    minutes=6,
    key="account-desk",
    metric="asked_for_rate",
    measures="Acts that were asked for",
    alert="ActsNobodyAskedFor",
    trouble="does what nobody asked for",
    serve=serve,
    versions={
        label: body(label, PROMPT.format(when=when), (what, expect), tools=TOOLS, code="account-desk@51d0c7e")
        for label, when, what, expect in (
            ("7.0.0", CAREFUL, "Answers in three sentences.", "Shorter calls"),
            ("7.1.0", EAGER, "Takes care of what it is unsure about.", "Fewer open questions"),
        )
    },
    first=("7.0.0",),
    release="7.1.0",
    slow=True,
    switches={
        "whole": {
            "fallback": "a human, by the old ticket form",
            "actions_per_second": per_second(TICKET),
            "calls_per_second": per_second(CHARGE),
            "messages_per_second": per_second(MAIL),
            "latency_budget_seconds": 10,
            "blast_seconds": 20,
        }
    },
)
