"""The refund limit: one number in a prompt. The first scenario, and the one that starts by itself."""

from __future__ import annotations

from rollouts.practice import agent, bundles
from rollouts.practice.refunds import order
from rollouts.practice.resolved import Bundle
from rollouts.practice.scenarios.base import Scenario, Where, outcome_case
from rollouts.practice.spans import Trace


def serve(bundle: Bundle, number: int, where: Where, moved: bool) -> Trace:
    """One refund asked for."""
    return agent.trace(agent.serve(bundle, order(number)))


def promised(bad: str) -> dict[str, object]:
    """What ``bad`` refuses: a refund that a colleague had promised."""
    inputs = {"amount": 240, "approved": 240}
    return outcome_case("promised-refund", "A pre-approved refund of $240 goes out", inputs, "refunded", bad)


SCENARIO = Scenario(
    name="refund-limit",
    title="The refund limit",
    happens="customer-service 2.1.0 goes live with one number changed: it may refund $100 instead of $500. Refund "
    "success falls from 98 % to 71 %, refused refunds wait in a queue, and a SEV2 opens.",
    teaches="The whole first press: acknowledge, find the layer, roll back to last good, watch it take hold.",
    contain="Roll back to 2.0.3.",
    minutes=5,
    key=bundles.KEY,
    metric="refund_success_rate",
    measures="Refund success",
    alert="RefundSuccessLow",
    trouble="refuses refunds",
    serve=serve,
    versions=bundles.VERSIONS,
    first=(bundles.GOOD,),
    release=bundles.BAD,
    retries=True,
    able=agent.may_refund,
    fixes=(bundles.FIX,),
    cases=(
        promised(bundles.BAD),
        outcome_case("small-refund", "A refund of $60 goes out", {"amount": 60}, "refunded"),
        outcome_case("large-refund", "A refund of $620 waits for a supervisor", {"amount": 620}, "refused"),
    ),
)
