"""Spans and export requests as an instrumented agent sends them, for tests."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from accounts import clock
from accounts.models import Scope
from rollouts.telemetry.otlp import Encoding, decode
from rollouts.telemetry.semantics import InvocationRow, invocation_of
from rollouts.telemetry.store import Stored, store
from tests.factories.accounts import token

_numbers = itertools.count(1)
ERROR, OK, UNSET = 2, 1, 0


def value(item: Any) -> dict[str, Any]:
    """An AnyValue."""
    if isinstance(item, bool):
        return {"boolValue": item}
    if isinstance(item, int):
        return {"intValue": str(item)}
    if isinstance(item, float):
        return {"doubleValue": item}
    if isinstance(item, list):
        return {"arrayValue": {"values": [value(each) for each in item]}}
    return {"stringValue": item}


def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in attributes.items()]


def span(
    attributes: Mapping[str, Any] | None = None,
    *,
    at: datetime | None = None,
    trace: str = "",
    span_id: str = "",
    parent: str = "",
    name: str = "chat",
    status: int = UNSET,
    message: str = "",
    seconds: float = 1.0,
    events: Sequence[tuple[str, Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """One span in OTLP/JSON; a model call unless ``attributes`` say otherwise, in a trace of its own."""
    begins = at or clock.now()
    number = next(_numbers)
    said = {"gen_ai.operation.name": "chat"} if attributes is None else attributes
    return {
        "traceId": trace or f"{number:032x}",
        "spanId": span_id or f"{number:016x}",
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": str(nanoseconds(begins)),
        "endTimeUnixNano": str(nanoseconds(begins + timedelta(seconds=seconds))),
        "attributes": pairs(said),
        "status": {"code": status, "message": message},
        "events": [{"name": event, "attributes": pairs(told)} for event, told in events or []],
    }


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def request(*spans: Mapping[str, Any], resource: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An ExportTraceServiceRequest."""
    told = {"service.name": "shop", "deployment.environment.name": "prod"} if resource is None else resource
    return {
        "resourceSpans": [
            {"resource": {"attributes": pairs(told)}, "scopeSpans": [{"scope": {"name": "test"}, "spans": list(spans)}]}
        ]
    }


def rows(*spans: Mapping[str, Any], resource: Mapping[str, Any] | None = None) -> list[InvocationRow]:
    """The rows that those spans become."""
    body = json.dumps(request(*spans, resource=resource)).encode()
    return [row for each in decode(body, Encoding.JSON) if (row := invocation_of(each)) is not None]


def row(attributes: Mapping[str, Any], **more: Any) -> InvocationRow:
    found = rows(span(attributes, **more))
    assert len(found) == 1
    return found[0]


def told(*spans: Mapping[str, Any], resource: Mapping[str, Any] | None = None) -> Stored:
    """Store those spans, past the door."""
    return store(rows(*spans, resource=resource))


class Sender:
    """A client that bears a key for telemetry."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.key, self.secret = token(Scope.TELEMETRY)

    def post(self, body: Any, content_type: str = "application/json", path: str = "/v1/traces", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": content_type} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        return self.client.post(path, data, content_type=content_type, headers=headers)
