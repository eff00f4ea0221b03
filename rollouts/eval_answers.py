"""What the JSON API says of cases, sets and runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rollouts.models import EvalResult, EvalRun, EvalSetVersion, RegressionCase
from rollouts.operations import eval_runs

Json = dict[str, Any]


def case(row: RegressionCase) -> Json:
    """With its set, bad version and what it replaces selected."""
    return {
        "key": row.key,
        "set": row.eval_set.name,
        "title": row.title,
        "inputs": row.inputs,
        "expected": row.expected,
        "check": {"kind": row.check_kind, "body": row.check_body},
        "repeats": row.repeats,
        "incident": row.incident_ref or None,
        "bad_version": row.bad_version.as_json() if row.bad_version else None,
        "invocation": {"day": row.day, "trace_id": row.trace_id, "span_id": row.span_id} if row.day else None,
        "replaces": row.replaces.key if row.replaces else None,
        "created_at": row.created_at,
        "by": row.actor_label,
    }


def set_version(row: EvalSetVersion) -> Json:
    return {
        "set": row.eval_set.name,
        "number": row.number,
        "digest": row.digest,
        "cases": len(row.case_ids),
        "note": row.note,
        "created_at": row.created_at,
        "by": row.actor_label,
    }


def run(row: EvalRun) -> Json:
    """A run without its results; ``stalled`` is null while lines arrive."""
    progress = eval_runs.progress(row)
    return {
        "run": row.pk,
        "bundle": row.version.bundle.key,
        "version": row.version.as_json(),
        "set": {"name": row.eval_set_version.eval_set.name, "number": row.eval_set_version.number},
        "whole_set": row.only is None,
        "source": row.source,
        "state": row.state,
        "counts": {
            "expected": row.expected_total,
            "passed": row.passed,
            "failed": row.failed,
            "errors": row.errored,
            "garbage_lines": row.garbage_lines,
        },
        "percent": progress.percent,
        "worker": row.worker or None,
        "stalled": progress.stalled or None,
        "error": row.error or None,
        "incident": row.incident_ref or None,
        "gate": row.gate_result.state if row.gate_result else None,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "heard_at": row.heard_at,
        "ended_at": row.done_at or row.given_up_at or row.cancelled_at,
        "by": row.actor_label,
    }


def results(rows: Iterable[EvalResult], following: str | None) -> Json:
    return {
        "items": [
            {
                "case": row.case.key,
                "attempt": row.attempt,
                "outcome": row.outcome,
                "score": row.score,
                "ms": row.ms,
                "output": row.output,
            }
            for row in rows
        ],
        "next": following,
    }


def unmatched(row: EvalRun) -> Json:
    """Which names of an uploaded file were not counted, and which cases it lacks."""
    left = eval_runs.unmatched(row)
    return {"unknown": left.unknown[:1_000], "skipped": left.skipped, "not_run": left.missing}
