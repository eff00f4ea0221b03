"""One failing run as its own telemetry shows it: what the agent had before it, and what it did."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from incidents.models import Incident
from incidents.operations import proving
from incidents.operations.postmortems.record import Moves, Runs
from rollouts.models import BundleVersion, Invocation, RegressionCase
from rollouts.operations.eval_proof import Tally, proof
from rollouts.telemetry import questions

#: Attributes that hold what a model or tool was given, in the words of several instrumentations, first found first.
GIVEN = (
    "gen_ai.system_instructions",
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "input.value",
    "langfuse.observation.input",
    "input",
)
ARGUMENTS = ("gen_ai.tool.call.arguments", "tool_arguments", "input.value", "langfuse.observation.input", "input")
RESULT = ("gen_ai.tool.call.result", "output.value", "langfuse.observation.output", "output")
LONGEST = 1_500
MOST_SPANS = 12


def observation(incident: Incident, moves: Moves, runs: Runs | None) -> dict[str, Any] | None:
    """The columns of an InferenceRow: of the first case's run, else of the first bad run; None when neither is known.

    Only what telemetry shows: what was inferred, and what should have been, is for people to say.
    """
    case = (
        RegressionCase.objects.filter(incident_ref=incident.ref, replaced_by=None)
        .select_related("bad_version__bundle")
        .defer("bad_version__body")
        .order_by("pk")
        .first()
    )
    if case is not None:
        standing = proving.standing(incident)
        bad = case.bad_version or standing.bad or moves.bad
        found = _row(case.day, case.trace_id, case.span_id, bad)
        found["saw"] = found["saw"] or fenced(case.inputs)
        return found | _tried(case, bad, standing)
    first = questions.first_failure(runs.window) if runs is not None and runs.summary.failed_runs else None
    if first is None:
        return None
    run = first.run
    same = moves.bad is not None and run.version_number == moves.bad.number
    version = moves.bad if same else _version(runs.window.bundle_key if runs else "", run.version_number)
    return _row(run.day, run.trace_id, run.span_id, version)


def fenced(value: Any) -> str:
    """``value`` as a Markdown code block that nothing in it can end."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _row(day: date | None, trace_id: str, span_id: str, version: BundleVersion | None) -> dict[str, Any]:
    spans = questions.spans_of(day, trace_id)[:MOST_SPANS] if day is not None and trace_id else []
    return {
        "day": day,
        "trace_id": trace_id,
        "span_id": span_id,
        "version_at_fault": version,
        "saw": "\n\n".join(_seen(spans)),
        "action": "\n".join(_done(spans)),
    }


def _seen(spans: Iterable[Invocation]) -> Iterable[str]:
    """What models were given and what tools answered, in the order it happened."""
    for span in spans:
        said = span.attributes
        if span.tool_name:
            if (result := _first(said, RESULT)) is not None:
                yield f"`{_inline(span.tool_name)}` answered:\n\n{fenced(result)}"
            continue
        for name in GIVEN:
            if said.get(name):
                yield f"It was given:\n\n{fenced(said[name])}"
                break


def _done(spans: Iterable[Invocation]) -> Iterable[str]:
    """The tools it called, with what, and how that went."""
    for span in spans:
        if not span.tool_name:
            continue
        outcome = {True: "succeeded", False: "failed", None: "ended in a way it did not tell"}[span.tool_succeeded]
        why = f": {_inline(span.error_message or span.error_type)}" if span.error_message or span.error_type else ""
        given = _first(span.attributes, ARGUMENTS)
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False) if given is not None else ""
        with_what = f" with `{_inline(text)}`" if text else ""
        yield f"- `{_inline(span.tool_name)}`{with_what} {outcome}{why}"


def _first(said: dict[str, Any], names: Iterable[str]) -> Any:
    return next((said[name] for name in names if said.get(name) not in (None, "")), None)


def _inline(text: str) -> str:
    """On one line, short, and without what ends inline code."""
    return " ".join(text.replace("`", "'").split())[:300]


def _version(key: str, number: int | None) -> BundleVersion | None:
    if number is None:
        return None
    return BundleVersion.objects.defer("body").select_related("bundle").filter(bundle__key=key, number=number).first()


def _tried(case: RegressionCase, bad: BundleVersion | None, found: proving.Standing) -> dict[str, int]:
    """k failures in n tries by the newest finished runs: on the version at fault, and on the fix, which is what is in
    service now, or else the version that may replace it."""
    if bad is None:
        return {}
    on_bad = proof(case, bad, None).failed_on_bad
    fixes = [version for version in (found.fix, found.following) if version is not None and version != bad]
    on_fix = next((tally for fix in fixes if (tally := proof(case, None, fix).passed_on_fix).n), Tally())
    return _counted("", on_bad.k, on_bad.n) | _counted("fixed_", on_fix.n - on_fix.k, on_fix.n)


def _counted(prefix: str, failed: int, tries: int) -> dict[str, int]:
    """The columns of an inference; nothing was counted where nothing was tried."""
    return {f"{prefix}failures": failed, f"{prefix}replays": tries} if tries else {}
