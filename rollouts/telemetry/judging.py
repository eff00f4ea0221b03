"""How a span went: errors, refusals and evaluations, by the names of the conventions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rollouts.telemetry.bounded import clean, masked
from rollouts.telemetry.otlp import STATUS_ERROR, Event, Span
from rollouts.telemetry.reading import first, number, text

PASSING = frozenset({"pass", "passed", "true", "yes", "valid", "ok", "success", "correct"})
FAILING = frozenset({"fail", "failed", "failure", "false", "no", "invalid", "error", "incorrect"})
REFUSING = frozenset({"content_filter", "refusal", "safety", "refused"})
#: Evaluations whose score is a yes or a no.
YES_OR_NO = frozenset({"schema_valid", "refusal", "refused"})
MOST_EVALUATIONS = 32
MESSAGE_LIMIT = 2_000


def failure_of(span: Span) -> tuple[str, str] | None:
    """(type, message) of the span's failure; None when it did not fail. A handled exception is no failure."""
    said = span.attributes
    kind = text(said.get("error.type"), 200)
    level = text(said.get("langfuse.observation.level"), 16).upper()
    if span.status != STATUS_ERROR and not kind and level != "ERROR":
        return None
    exception: Mapping[str, Any] = {}
    for event in span.events:
        if "exception.type" in event.attributes or event.name == "exception":
            exception = event.attributes
    message = first(
        {"status": span.status_message, "message": said.get("error.message")}
        | {
            "exception": exception.get("exception.message"),
            "langfuse": said.get("langfuse.observation.status_message"),
        },
        ("status", "message", "exception", "langfuse"),
    )
    return kind or text(exception.get("exception.type"), 200) or "error", masked(str(message or ""), MESSAGE_LIMIT)


def evaluations_of(events: Iterable[Event]) -> dict[str, Any]:
    """``{name: {"score", "label", "passed", "explanation"}}`` of the evaluation results among ``events``."""
    found: dict[str, Any] = {}
    for event in events:
        said = event.attributes
        name = clean(text(said.get("gen_ai.evaluation.name"), 100), 100)
        if event.name != "gen_ai.evaluation.result" or not name or len(found) >= MOST_EVALUATIONS:
            continue
        score = number(first(said, ("gen_ai.evaluation.score.value", "gen_ai.evaluation.score")))
        label = text(first(said, ("gen_ai.evaluation.score.label", "gen_ai.evaluation.label")), 100)
        found[name] = {
            "score": score,
            "label": label,
            "passed": passed(name, label, score),
            "explanation": masked(text(said.get("gen_ai.evaluation.explanation"), 1_000), 1_000),
        }
    return found


def passed(name: str, label: str, score: float | None) -> bool | None:
    """What a label says; a bare score is a verdict only where the evaluation is a yes or a no."""
    word = label.lower()
    if word in PASSING:
        return True
    if word in FAILING:
        return False
    if name in YES_OR_NO and score is not None:
        return score >= 0.5
    return None


def verdict_on(evaluations: Mapping[str, Any], name: str) -> bool | None:
    verdict = evaluations.get(name, {}).get("passed")
    return verdict if isinstance(verdict, bool) else None


def refused(finish_reasons: list[str], evaluations: Mapping[str, Any]) -> bool | None:
    """Whether the model refused; None when there is neither a finish reason nor an evaluation to tell by."""
    told = [verdict_on(evaluations, name) for name in ("refusal", "refused")]
    if any(reason.lower() in REFUSING for reason in finish_reasons) or True in told:
        return True
    if any(str(found.get("label", "")).lower() in REFUSING for found in evaluations.values()):
        return True
    return False if finish_reasons or False in told else None


def any_failed(evaluations: Mapping[str, Any]) -> bool:
    """Whether an evaluation failed; that a model did not refuse is no failure."""
    return any(
        found.get("passed") is False for name, found in evaluations.items() if name not in {"refusal", "refused"}
    )
