"""Telemetry as an instrumented agent sends it: OTLP/JSON with the GenAI conventions. Pure."""

from __future__ import annotations

import json
import random
from typing import Any

from rollouts.practice.agent import TOOL, Answer, Outcome
from rollouts.practice.bundles import ENVIRONMENT, KEY

ERROR, OK = 2, 1
CLIENT, INTERNAL = 3, 1


def resource(instance: str, region: str) -> dict[str, Any]:
    """Who reports."""
    return {
        "attributes": pairs(
            {
                "service.name": KEY,
                "service.instance.id": instance,
                "cloud.region": region,
                "deployment.environment.name": ENVIRONMENT,
                "telemetry.sdk.name": "lastgood-practice",
            }
        )
    }


def of(answer: Answer, *, now_ns: int, dice: random.Random) -> list[dict[str, Any]]:
    """The spans of one customer served, ending at ``now_ns``: the agent's run and, if it called it, its tool."""
    bundle, order = answer.bundle, answer.order
    trace, agent_span = f"{dice.getrandbits(128):032x}", f"{dice.getrandbits(64):016x}"
    duration, tool_duration = dice.randint(700, 2400) * 1_000_000, dice.randint(40, 180) * 1_000_000
    common: dict[str, Any] = {
        "gen_ai.agent.name": KEY,
        "gen_ai.conversation.id": order.conversation,
        "lastgood.bundle": KEY,
    }
    if bundle.number is not None:
        common |= {"lastgood.version": bundle.label}
    if answer.retry:
        common |= {"lastgood.retry": True}
    failed = answer.outcome == Outcome.REFUSED
    agent = {
        **common,
        "gen_ai.operation.name": "invoke_agent",
        "refund.outcome": answer.outcome.value,
        "refund.amount": order.amount,
    }
    if bundle.enabled:
        agent |= {
            "gen_ai.provider.name": bundle.provider,
            "gen_ai.request.model": bundle.model,
            "gen_ai.response.model": bundle.model,
            "gen_ai.usage.input_tokens": dice.randint(820, 1100),
            "gen_ai.usage.output_tokens": dice.randint(40, 120),
            "gen_ai.response.finish_reasons": ["stop"],
        }
    if failed:
        agent |= {"error.type": str(answer.refusal)}
    spans = [
        span(
            trace, agent_span, "", f"invoke_agent {KEY}", CLIENT, now_ns - duration, now_ns, agent, answer.says, failed
        )
    ]
    if answer.outcome != Outcome.HANDED_OVER:
        arguments = {
            "order_id": order.id,
            "amount": order.amount,
            "currency": "USD",
            "authorised_up_to": bundle.limit,
            "reason": order.reason,
        }
        tool = {
            **common,
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": TOOL,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{agent_span}",
            "gen_ai.tool.call.arguments": json.dumps(arguments),
            "gen_ai.tool.call.result": json.dumps({"refused": str(answer.refusal)} if failed else {"refunded": True}),
        }
        if failed:
            tool |= {"error.type": str(answer.refusal)}
        ended = now_ns - 60_000_000
        message = f"refused: ${order.amount} is over what the agent may authorise (${bundle.limit:.0f})"
        spans.append(
            span(
                trace,
                f"{dice.getrandbits(64):016x}",
                agent_span,
                f"execute_tool {TOOL}",
                INTERNAL,
                ended - tool_duration,
                ended,
                tool,
                message,
                failed,
            )
        )
    return spans


def span(
    trace: str,
    span_id: str,
    parent: str,
    name: str,
    kind: int,
    start_ns: int,
    end_ns: int,
    attributes: dict[str, Any],
    message: str,
    failed: bool,
) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": span_id,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(end_ns),
        "attributes": pairs(attributes),
        "status": {"code": ERROR, "message": message} if failed else {"code": OK},
    }


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
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


def request(groups: list[tuple[str, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """One export of several instances, as a collector beside them sends it: (instance, region, spans)."""
    return {
        "resourceSpans": [
            {
                "resource": resource(instance, region),
                "scopeSpans": [{"scope": {"name": "lastgood.practice"}, "spans": spans}],
            }
            for instance, region, spans in groups
        ]
    }
