"""Telemetry as an instrumented agent sends it: OTLP/JSON with the GenAI conventions. Pure."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rollouts.practice.resolved import Bundle

ENVIRONMENT = "prod"
ERROR, OK = 2, 1
SERVER, CLIENT, INTERNAL = 2, 3, 1
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One tool the agent called; it failed when there is an ``error_type``."""

    tool: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]
    error_type: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A system that took what the agent produced, and what it said of it."""

    service: str
    name: str
    error_type: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """One customer served, as seen from outside. ``good`` is None where there is nothing to measure.

    ``agent`` is the agent of the fleet that depends on this bundle when it is not the only one; ``asked`` and
    ``served`` are model names; ``verbosity`` multiplies the length of the answer.
    """

    bundle: Bundle
    conversation: str
    says: str
    good: bool | None
    outcome: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    error_type: str = ""
    message: str = ""
    calls: tuple[Call, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    agent: str = ""
    asked: str = ""
    served: str = ""
    finish: str = "stop"
    verbosity: float = 1.0


def tried_again(told: Trace) -> Trace:
    """The same, of a customer whose case had waited."""
    return replace(told, facts={**told.facts, "lastgood.retry": True})


type Spans = list[tuple[str, dict[str, Any]]]


def of(told: Trace, *, key: str, now_ns: int, dice: random.Random) -> Spans:
    """(service, span) of one customer served, ending at ``now_ns``: the run, its tools, and who consumed it."""
    bundle, agent = told.bundle, told.agent or key.partition(".")[0]
    trace, root = f"{dice.getrandbits(128):032x}", f"{dice.getrandbits(64):016x}"
    common: dict[str, Any] = {
        "gen_ai.agent.name": agent,
        "gen_ai.conversation.id": told.conversation,
        "lastgood.bundle": key,
        **({"lastgood.version": bundle.label} if bundle.number is not None else {}),
    }
    run = {**common, "gen_ai.operation.name": "invoke_agent", **told.facts}
    if bundle.enabled:
        run |= {
            "gen_ai.provider.name": bundle.provider,
            "gen_ai.request.model": told.asked or bundle.model,
            "gen_ai.response.model": told.served or told.asked or bundle.model,
            "gen_ai.usage.input_tokens": dice.randint(820, 1100),
            "gen_ai.usage.output_tokens": round(dice.randint(40, 120) * told.verbosity),
            "gen_ai.response.finish_reasons": [told.finish],
        }
    began = now_ns - dice.randint(700, 2400) * MS
    made = [(agent, span(trace, root, "", f"invoke_agent {agent}", CLIENT, (began, now_ns), run, told))]
    ended = now_ns - 60 * MS
    for call in told.calls:
        tool = {
            **common,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{root}",
            "gen_ai.tool.call.arguments": json.dumps(call.arguments),
            "gen_ai.tool.call.result": json.dumps(call.result),
        }
        times = (ended - dice.randint(40, 180) * MS, ended)
        own = f"{dice.getrandbits(64):016x}"
        made.append((agent, span(trace, own, root, f"execute_tool {call.tool}", INTERNAL, times, tool, call)))
    for taker in told.consumers:
        times, own = (ended, ended + dice.randint(5, 40) * MS), f"{dice.getrandbits(64):016x}"
        named = {name: value for name, value in common.items() if name != "gen_ai.agent.name"}
        made.append((taker.service, span(trace, own, root, taker.name, SERVER, times, named, taker)))
    return made


def span(
    trace: str,
    span_id: str,
    parent: str,
    name: str,
    kind: int,
    times: tuple[int, int],
    attributes: Mapping[str, Any],
    told: Trace | Call | Consumer,
) -> dict[str, Any]:
    failed = bool(told.error_type)
    return {
        "traceId": trace,
        "spanId": span_id,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(times[0]),
        "endTimeUnixNano": str(times[1]),
        "attributes": pairs({**attributes, "error.type": told.error_type} if failed else attributes),
        "status": {"code": ERROR, "message": told.message} if failed else {"code": OK},
    }


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


def value(item: Any) -> dict[str, Any]:
    """One attribute in OTLP's JSON mapping: 64-bit integers are decimal strings."""
    if isinstance(item, bool):
        return {"boolValue": item}
    if isinstance(item, int):
        return {"intValue": str(item)}
    if isinstance(item, float):
        return {"doubleValue": item}
    if isinstance(item, list):
        return {"arrayValue": {"values": [value(part) for part in item]}}
    return {"stringValue": str(item)}


def resource(service: str, instance: str, region: str) -> dict[str, Any]:
    """Who reports."""
    return {
        "attributes": pairs(
            {
                "service.name": service,
                "service.instance.id": instance,
                "cloud.region": region,
                "deployment.environment.name": ENVIRONMENT,
                "telemetry.sdk.name": "lastgood-practice",
            }
        )
    }


def request(reported: list[tuple[str, str, Spans]]) -> dict[str, Any]:
    """One export of several instances, as a collector beside them sends it: (instance, region, spans)."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for instance, region, spans in reported:
        for service, one in spans:
            groups.setdefault((service, instance, region), []).append(one)
    return {
        "resourceSpans": [
            {"resource": resource(*who), "scopeSpans": [{"scope": {"name": "lastgood.practice"}, "spans": spans}]}
            for who, spans in groups.items()
        ]
    }
