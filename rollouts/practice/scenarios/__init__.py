"""Every scenario the fleet can live through, by name; the first starts by itself on an empty installation.

``base`` what one is · one module for each, or for each pair that shares its agent
"""

from __future__ import annotations

from rollouts.practice.scenarios import canary, gate, provider, refund_limit, region, schema_contract, slow_kill_switch
from rollouts.practice.scenarios.base import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        refund_limit.SCENARIO,
        schema_contract.SCENARIO,
        schema_contract.ALONE,
        canary.SCENARIO,
        region.SCENARIO,
        provider.SCENARIO,
        gate.SCENARIO,
        slow_kill_switch.SCENARIO,
    )
}
FIRST = refund_limit.SCENARIO

__all__ = ["FIRST", "SCENARIOS", "Scenario"]
