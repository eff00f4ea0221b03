"""The pushed body as a JSON Schema, for readers of the OpenAPI document; ``body.findings`` is what decides."""

from __future__ import annotations

from typing import Any

from rollouts.body import IN_FLIGHT_POLICIES

_TEXT: dict[str, Any] = {"type": "string"}
_OBJECT: dict[str, Any] = {"type": "object"}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


SCHEMA: dict[str, Any] = _closed(
    ["prompt", "model"],
    label={
        "type": ["string", "null"],
        "pattern": "^[A-Za-z0-9._-]{1,64}$",
        "description": "Unique in the bundle, never all digits; YYYY.MM.DD-n when left out.",
    },
    prompt=_closed(["text"], text=_TEXT, few_shots={"type": "array", "items": {"type": ["object", "array", "string"]}}),
    model=_closed(
        ["provider", "snapshot"],
        provider=_TEXT,
        snapshot=_TEXT | {"description": "A pinned snapshot; an alias is refused in staging and prod."},
        parameters=_OBJECT,
        route={"type": ["string", "object", "null"]},
    ),
    tools={
        "type": "array",
        "items": _closed(
            ["name", "input_schema"],
            name=_TEXT,
            description=_TEXT,
            input_schema=_OBJECT,
            output_schema=_OBJECT,
            deterministic={"type": "boolean", "description": "The same arguments always give the same output."},
            examples={"type": "array", "items": _closed(["arguments", "output"], arguments=_OBJECT, output={})},
        ),
    },
    retrieval=_OBJECT,
    harness=_OBJECT,
    metadata=_closed(
        [],
        **{
            name: {"type": ["string", "null"]}
            for name in ("author", "reviewer", "commit", "eval_set", "output_contract", "experiment")
        },
        in_flight_policy={"enum": [*IN_FLIGHT_POLICIES, None]},
        change={
            "type": ["object", "null"],
            "properties": {
                "what": {"type": ["string", "null"]},
                "expect": {"type": ["string", "null"]},
                "threshold": {"type": ["number", "string", "null"]},
            },
            "additionalProperties": False,
        },
    ),
)

#: What ninja lays over its own description of the route.
OPENAPI: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": SCHEMA}}, "required": True}}
