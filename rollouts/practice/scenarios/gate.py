"""Both worlds: a candidate that mends what the incident was about and breaks what worked before."""

from __future__ import annotations

from rollouts.practice import agent, bundles
from rollouts.practice.scenarios import refund_limit
from rollouts.practice.scenarios.base import Scenario, outcome_case


def version(label: str, limit: int, what: str, expect: str, exception: str = "") -> dict[str, object]:
    made = bundles.body(
        label,
        limit,
        {
            "author": "Ines Okafor",
            "reviewer": "Tomas Lindqvist",
            "eval_set": "golden",
            "change": {"what": what, "expect": expect, "threshold": 0.95},
        },
        exception,
    )
    return {**made, "harness": {"code": "returns-desk-runtime@a20ff31", "context_policy": "last 20 turns"}}


SCENARIO = Scenario(
    name="red-gate",
    title="Both worlds at the gate",
    happens="returns-desk 3.1.0 refuses refunds that were promised. Its fix 3.1.1 simply lifts the limit again: the "
    "incident's case passes, and a case that guards the policy fails. Its gate is red, and it cannot be promoted. "
    "3.2.0 passes both.",
    teaches="A fix has to hold in both worlds: the incident's case and everything the set already knew. A red gate is "
    "refused, however urgent.",
    contain="Roll back to 3.0.3. Then push the fixes, run the set on both, and promote the one that is green.",
    minutes=10,
    key="returns-desk",
    metric="refund_success_rate",
    measures="Refund success",
    alert="RefundSuccessLow",
    trouble="refuses refunds",
    serve=refund_limit.serve,
    versions={
        "3.0.3": version("3.0.3", 500, "Say how long a refund takes.", "Fewer second contacts"),
        "3.1.0": version("3.1.0", 100, "Limit from $500 to $100, as finance decided.", "Fewer unseen refunds"),
        "3.1.1": version("3.1.1", 500, "Lift the limit again.", "Refund success back above 95 %"),
        "3.2.0": version("3.2.0", 100, "Keep $100; pre-approved refunds are an exception.", "Both", bundles.EXCEPTION),
    },
    first=("3.0.3",),
    release="3.1.0",
    retries=True,
    able=agent.may_refund,
    fixes=("3.1.1", "3.2.0"),
    cases=(refund_limit.promised("3.1.0"),),
    known=(
        outcome_case("small-refund", "A refund of $60 goes out", {"amount": 60}, "refunded"),
        outcome_case("policy-limit", "A refund of $300 that nobody approved is refused", {"amount": 300}, "refused"),
    ),
)
