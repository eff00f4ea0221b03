"""Folding invocations into runs: one row per trace and bundle, right whatever order and batches they arrive in.

Every column merges so that folding twice, or in another order, or in two transactions at once gives the same row:
the earliest, the union, or, the first that is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import msgspec
from django.db import connection

from rollouts.telemetry.semantics import InvocationRow

MERGE = """
INSERT INTO rollouts_agentrun AS run (
    day, trace_id, bundle_key, environment, at, span_id, said_failed, part_failed, judged_failed, version_number,
    version_label, instance, region, conversation_id, request_model, response_model, error_type, error_message,
    finish_reason, tools, failed_tools, schema_valid, refused)
SELECT day, trace_id, bundle_key, environment, at, span_id, said_failed, part_failed, judged_failed, version_number,
    version_label, instance, region, conversation_id, request_model, response_model, error_type, error_message,
    finish_reason, tools, failed_tools, schema_valid, refused
FROM jsonb_to_recordset(%s::jsonb) AS told(
    day date, trace_id text, bundle_key text, environment text, at timestamptz, span_id text, said_failed boolean,
    part_failed boolean, judged_failed boolean, version_number integer, version_label text, instance text, region text,
    conversation_id text, request_model text, response_model text, error_type text, error_message text,
    finish_reason text, tools text[], failed_tools text[], schema_valid boolean, refused boolean)
ON CONFLICT (day, trace_id, bundle_key) DO UPDATE SET
    environment = coalesce(nullif(run.environment, ''), excluded.environment),
    at = least(run.at, excluded.at),
    span_id = CASE
        WHEN (excluded.part_failed OR excluded.judged_failed) <> (run.part_failed OR run.judged_failed)
            THEN CASE WHEN excluded.part_failed OR excluded.judged_failed THEN excluded.span_id ELSE run.span_id END
        WHEN excluded.at < run.at THEN excluded.span_id
        ELSE run.span_id END,
    said_failed = CASE WHEN run.said_failed OR excluded.said_failed THEN true
        ELSE coalesce(run.said_failed, excluded.said_failed) END,
    part_failed = run.part_failed OR excluded.part_failed,
    judged_failed = run.judged_failed OR excluded.judged_failed,
    version_number = coalesce(run.version_number, excluded.version_number),
    version_label = coalesce(nullif(run.version_label, ''), excluded.version_label),
    instance = coalesce(nullif(run.instance, ''), excluded.instance),
    region = coalesce(nullif(run.region, ''), excluded.region),
    conversation_id = coalesce(nullif(run.conversation_id, ''), excluded.conversation_id),
    request_model = coalesce(nullif(run.request_model, ''), excluded.request_model),
    response_model = coalesce(nullif(run.response_model, ''), excluded.response_model),
    error_type = coalesce(nullif(run.error_type, ''), excluded.error_type),
    error_message = coalesce(nullif(run.error_message, ''), excluded.error_message),
    finish_reason = coalesce(nullif(run.finish_reason, ''), excluded.finish_reason),
    tools = ARRAY(SELECT DISTINCT tool FROM unnest(run.tools || excluded.tools) AS tool ORDER BY tool),
    failed_tools = ARRAY(SELECT DISTINCT tool FROM unnest(run.failed_tools || excluded.failed_tools) AS tool
        ORDER BY tool),
    schema_valid = run.schema_valid IS NOT FALSE AND excluded.schema_valid IS NOT FALSE
        AND coalesce(run.schema_valid, excluded.schema_valid),
    refused = CASE WHEN run.refused OR excluded.refused THEN true ELSE coalesce(run.refused, excluded.refused) END
"""


class Run(msgspec.Struct):
    """The columns of one ``AgentRun``."""

    day: date
    trace_id: str
    bundle_key: str
    environment: str
    at: datetime
    span_id: str
    said_failed: bool | None = None
    part_failed: bool = False
    judged_failed: bool = False
    version_number: int | None = None
    version_label: str = ""
    instance: str = ""
    region: str = ""
    conversation_id: str = ""
    request_model: str = ""
    response_model: str = ""
    error_type: str = ""
    error_message: str = ""
    finish_reason: str = ""
    tools: list[str] = []
    failed_tools: list[str] = []
    schema_valid: bool | None = None
    refused: bool | None = None


def fold(rows: Iterable[InvocationRow]) -> list[Run]:
    """The runs that ``rows`` are part of, in the order of their keys. Rows without a bundle are part of none."""
    runs: dict[tuple[date, str, str], Run] = {}
    for row in sorted(rows, key=lambda row: (row.at, row.span_id)):
        if not row.bundle_key:
            continue
        key = (row.day, row.trace_id, row.bundle_key)
        run = runs.get(key)
        if run is None:
            run = runs[key] = Run(row.day, row.trace_id, row.bundle_key, row.environment, row.at, row.span_id)
        _add(run, row)
    return [runs[key] for key in sorted(runs)]


def _add(run: Run, row: InvocationRow) -> None:
    judged_failed = judged(row)
    if (row.failed or judged_failed) and not (run.part_failed or run.judged_failed):
        run.span_id = row.span_id
    run.said_failed = _either(run.said_failed, row.said_failed)
    run.part_failed = run.part_failed or bool(row.failed)
    run.judged_failed = run.judged_failed or judged_failed
    run.version_number = row.version_number if run.version_number is None else run.version_number
    for name in ("environment", "version_label", "instance", "region", "conversation_id", "request_model"):
        if not getattr(run, name):
            setattr(run, name, getattr(row, name))
    run.response_model = run.response_model or row.response_model
    if row.failed:
        run.error_type = run.error_type or row.error_type or failed_evaluation(row)
        run.error_message = run.error_message or row.error_message[:300]
    run.finish_reason = run.finish_reason or (row.finish_reasons[0] if row.finish_reasons else "")
    if row.tool_name:
        run.tools = sorted({*run.tools, row.tool_name})
        if row.failed:
            run.failed_tools = sorted({*run.failed_tools, row.tool_name})
    if row.schema_valid is not None:
        run.schema_valid = row.schema_valid if run.schema_valid is None else run.schema_valid and row.schema_valid
    run.refused = _either(run.refused, row.refused)


def judged(row: InvocationRow) -> bool:
    """Whether somebody judged this part wrong, which counts also when the run itself said it went well."""
    return bool(failed_evaluation(row)) or row.schema_valid is False


def failed_evaluation(row: InvocationRow) -> str:
    """``evaluation <name>`` of the first that failed; blank when none did."""
    for name, found in row.evaluations.items():
        if found.get("passed") is False and name not in {"refusal", "refused"}:
            return f"evaluation {name}"
    return ""


def _either(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return other if one is None else one


def merge(rows: Iterable[InvocationRow]) -> int:
    """Add ``rows`` to the runs they are part of; returns how many runs that were."""
    runs = fold(rows)
    if runs:
        told: list[dict[str, Any]] = [msgspec.structs.asdict(run) for run in runs]
        with connection.cursor() as cursor:
            cursor.execute(MERGE, [msgspec.json.encode(told).decode()])
    return len(runs)
