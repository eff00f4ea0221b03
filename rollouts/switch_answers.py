"""What the JSON API says of kill switches and of what became of a stop. Units stand in the names."""

from __future__ import annotations

from typing import Any

from rollouts.models import Containment, Stop, StopFetch
from rollouts.switchboard import Row, containment_of
from rollouts.telemetry.after_stop import Effects

Json = dict[str, Any]


def row(found: Row) -> Json:
    """One switch; ``described`` is false while nobody has said anything of it."""
    switch, judged = found.switch, found.judged
    return {
        "scope": found.scope,
        "described": switch is not None,
        "fallback": found.fallback,
        "off_state_url": switch.off_state_url if switch else "",
        "off_state_ok": not found.findings,
        "off_state_findings": list(found.findings),
        "probed_at": switch.probed_at if switch else None,
        "probe_status": switch.probe_status if switch else None,
        "probe_ms": switch.probe_ms if switch else None,
        **(switch.rates if switch else {}),
        "latency_budget_seconds": switch.latency_budget_seconds if switch else None,
        "blast_seconds": switch.blast_seconds if switch else None,
        "measured_seconds": found.seconds,
        "measured_at": found.measured_at,
        "verdict": judged.verdict.value,
        "sentence": judged.sentence,
        "comparisons": list(judged.comparisons),
        "damage_floor": {floor.unit.removesuffix("_per_second"): floor.amount for floor in found.floors},
        "damage_floor_words": [str(floor) for floor in found.floors],
        "expires_at": None,
        "engaged": words(found.engaged) if found.engaged else None,
        "days_off": found.days_off,
    }


def words(found: Stop) -> Json:
    """A stop with what is owed after it."""
    return {
        "stop": found.pk,
        "scope": found.kill_switch.scope,
        "engaged_at": found.engaged_at,
        "released_at": found.released_at,
        "owes_comparison": found.owes_comparison,
        "wrong_share_percent": found.wrong_share_percent,
        "right_share_percent": found.right_share_percent,
        "wide_reason": found.wide_reason,
        "restore_criteria": found.restore_criteria,
        "restore_expected_on": found.restore_expected_on,
    }


def stop(found: Stop, done: Effects | None, fetches: list[StopFetch]) -> Json:
    """One stop with how it was followed and what was done between the decision and its end."""
    measured = containment_of(found)
    return {
        **words(found),
        "deployment": str(found.kill_switch.deployment),
        "decided_at": found.decided_at,
        "containment": contained(measured) if measured else None,
        "effects": effects(done) if done else None,
        "fetches": [{"instance": each.name, "region": each.region, "fetched_at": each.fetched_at} for each in fetches],
    }


def contained(measured: Containment) -> Json:
    return {
        "instances": measured.instances,
        "reached": measured.reached,
        "p50_ms": measured.p50_ms,
        "p95_ms": measured.p95_ms,
        "max_ms": measured.max_ms,
        "measured_at": measured.measured_at,
        "seconds": measured.seconds,
        "acts_after": measured.acts_after,
        "acts_after_60_s": measured.late_acts,
        "acting_instances": measured.acting_instances,
        "last_act_at": measured.last_act_at,
    }


def effects(done: Effects) -> Json:
    return {
        "since": done.since,
        "until": done.until,
        "runs": done.runs,
        "model_calls": done.model_calls,
        "usd": float(done.usd) if done.usd is not None else None,
        "tools": [{"tool": each.tool, "calls": each.calls, "succeeded": each.succeeded} for each in done.tools],
    }
