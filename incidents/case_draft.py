"""A regression case out of a run that went wrong: only what its telemetry kept, nothing invented. Pure.

What a case is given (``inputs``) and what an agent answers have one shape, so that runners can be written for it:
``messages`` (those of the conversation), ``tool_calls`` (each ``name``, ``arguments`` and, in an answer, ``result``);
what is given may have ``attributes`` (what the application noted on the run), an answer ``error`` (the type of what
refused or failed, absent when nothing did).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from incidents.secrets import shown
from rollouts.models import Invocation, RegressionCase
from rollouts.telemetry.reading import first, parsed
from rollouts.telemetry.semantics import RUN_OPERATIONS, TOOL_ARGUMENTS, TOOL_OPERATION

GIVEN = (
    "gen_ai.input.messages",
    "langfuse.observation.input",
    "traceloop.entity.input",
    "langfuse.trace.input",
    "input.value",
    "input",
)
ANSWERED = (
    "gen_ai.output.messages",
    "langfuse.observation.output",
    "traceloop.entity.output",
    "langfuse.trace.output",
    "output.value",
    "output",
)
TOOL_RESULT = ("gen_ai.tool.call.result", *ANSWERED[1:])
#: Messages as numbered attributes, as older libraries send them: (prefix, what stands between number and member).
NUMBERED_GIVEN = (("gen_ai.prompt", ""), ("llm.input_messages", "message."))
NUMBERED_ANSWERED = (("gen_ai.completion", ""), ("llm.output_messages", "message."))
NOTHING_KEPT = (
    "The telemetry tells neither messages nor tool arguments: content capture was off. Write what the agent was given."
)
#: Beginnings of attribute names that others define; what else a run's span carries its application noted itself.
DEFINED = (
    *(
        "gen_ai.",
        "llm.",
        "langfuse.",
        "traceloop.",
        "openinference.",
        "lastgood.",
        "feature_flag.",
        "session.",
        "user.",
    ),
    *(
        "session.",
        "service.",
        "telemetry.",
        "otel.",
        "http.",
        "url.",
        "server.",
        "network.",
        "input.",
        "output.",
        "error.",
    ),
)
CUT = re.compile(r"… \[cut: \d+ characters\]$")
Check = RegressionCase.Check


@dataclass(frozen=True, slots=True)
class Draft:
    """What a case would be. ``lacks`` says, in sentences, what the telemetry does not tell; a case needs it empty.

    ``expected`` is what a comparable run that went well answered, None where there was none.
    """

    title: str
    check_kind: str
    check_body: dict[str, Any]
    span_id: str
    inputs: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] | None = None
    lacks: list[str] = field(default_factory=list)


def draft(spans: Sequence[Invocation], schemas: Mapping[str, Any], good: Sequence[Invocation] = ()) -> Draft:
    """The case that ``spans`` (one run, in order) would make.

    ``schemas`` has the input schema of each tool the version may call; ``good`` are the calls of a comparable run
    that went well, whose answer is what to expect.
    """
    culprit = culprit_of(spans)
    inputs, lacks = given(spans)
    kind, body = check_of(culprit, schemas)
    return Draft(
        title=title_of(culprit),
        check_kind=kind,
        check_body=body,
        span_id=culprit.span_id,
        inputs=inputs,
        expected=answer(good) or None,
        lacks=lacks,
    )


def culprit_of(spans: Sequence[Invocation]) -> Invocation:
    """The call to look at: one whose output broke its schema, a tool that refused, any that failed, else the first."""
    tests: tuple[Callable[[Invocation], bool], ...] = (
        lambda span: span.schema_valid is False,
        lambda span: is_tool(span) and (bool(span.failed) or span.tool_succeeded is False),
        lambda span: bool(span.failed) and span.operation not in RUN_OPERATIONS,
        lambda span: bool(span.failed),
    )
    for is_it in tests:
        if (found := next(filter(is_it, spans), None)) is not None:
            return found
    return spans[0]


def is_tool(span: Invocation) -> bool:
    return span.operation == TOOL_OPERATION or bool(span.tool_name)


def check_of(culprit: Invocation, schemas: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """How to tell next time: the contract that was broken, the error that was raised, else a sentence for a judge."""
    if culprit.schema_valid is False:
        name, schema = contract(culprit, schemas)
        if schema is not None:
            return Check.JSON_SCHEMA, calls_tool(name, schema)
    if culprit.failed and culprit.error_type:
        return Check.ASSERTION, {"path": "error", "operator": "not_equals", "value": culprit.error_type}
    about = culprit.tool_name or culprit.name
    return Check.RUBRIC, {"text": f"The answer does what was asked; {about} goes through."}


def contract(culprit: Invocation, schemas: Mapping[str, Any]) -> tuple[str, Any]:
    """The tool whose schema the call broke, and that schema; None when it is not known."""
    called = [culprit.tool_name, *(str(call.get("name")) for call in asked_for(culprit.attributes))]
    found = next((name for name in called if name in schemas), "")
    return found, schemas.get(found)


def calls_tool(name: str, schema: Any) -> dict[str, Any]:
    """JSON Schema of an answer whose every call of the tool ``name`` has arguments that satisfy ``schema``."""
    return {
        "type": "object",
        "required": ["tool_calls"],
        "properties": {
            "tool_calls": {
                "type": "array",
                "contains": {"type": "object", "properties": {"name": {"const": name}}, "required": ["name"]},
                "items": {
                    "if": {"properties": {"name": {"const": name}}},
                    "then": {"properties": {"arguments": schema}, "required": ["arguments"]},
                },
            }
        },
    }


def title_of(culprit: Invocation) -> str:
    """What went wrong, in one line."""
    about = culprit.tool_name or culprit.name
    why = culprit.error_type or ("output breaks its schema" if culprit.schema_valid is False else culprit.error_message)
    return f"{about}: {why or 'went wrong'}"[:300]


def given(spans: Sequence[Invocation]) -> tuple[dict[str, Any], list[str]]:
    """What the agent was given: its messages and the tool calls it made of them; and what the telemetry lacks."""
    inputs: dict[str, Any] = {}
    lacks: list[str] = []
    models = [span for span in spans if not is_tool(span)]
    messages = next((said for span in models if (said := content(span, GIVEN, NUMBERED_GIVEN))), None)
    if messages is not None:
        inputs["messages"] = messages
    if calls := tool_calls(spans):
        inputs["tool_calls"] = [{name: call[name] for name in ("name", "arguments") if name in call} for call in calls]
    if noted := {name: value for span in models[:1] for name, value in own_attributes(span).items()}:
        inputs["attributes"] = noted
    if is_cut(inputs):
        lacks.append("The telemetry kept only the beginning of what the agent was given.")
    if messages is None and not any("arguments" in call for call in calls):
        lacks.append(NOTHING_KEPT)
    return inputs, lacks


def own_attributes(span: Invocation) -> dict[str, Any]:
    """What the application itself noted on a run, such as ``refund.approved``."""
    said = span.attributes.items()
    return {name: shown(name, value) for name, value in said if "." in name and not name.startswith(DEFINED)}


def answer(spans: Sequence[Invocation]) -> dict[str, Any]:
    """What the agent answered: its last message, its tool calls with their results, the error if there was one."""
    models = [span for span in spans if not is_tool(span)]
    messages = [said for span in models if (said := content(span, ANSWERED, NUMBERED_ANSWERED))]
    calls = tool_calls(spans)
    error = next((span.error_type for span in spans if span.failed and span.error_type), "")
    told = {"messages": messages[-1] if messages else None, "tool_calls": calls or None, "error": error or None}
    return {name: value for name, value in told.items() if value is not None}


def tool_calls(spans: Iterable[Invocation]) -> list[dict[str, Any]]:
    """The tools that were called, in order; those a model asked for where no tool reported itself."""
    calls = []
    for span in spans:
        if is_tool(span):
            arguments = readable(first(span.attributes, TOOL_ARGUMENTS))
            result = readable(first(span.attributes, TOOL_RESULT))
            call = {"name": span.tool_name or span.name, "arguments": arguments, "result": result}
            calls.append({name: shown(name, value) for name, value in call.items() if value is not None})
    return calls or [call for span in spans for call in asked_for(span.attributes)]


def asked_for(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tool calls in a model's output messages."""
    messages = parsed(attributes.get("gen_ai.output.messages"))
    found = []
    for message in messages if isinstance(messages, list) else ():
        for part in (message.get("parts") if isinstance(message, dict) else None) or ():
            if isinstance(part, dict) and part.get("type") == "tool_call" and isinstance(part.get("name"), str):
                call = {"name": part["name"], "arguments": readable(part.get("arguments"))}
                found.append({name: shown(name, value) for name, value in call.items() if value is not None})
    return found


def content(span: Invocation, names: Iterable[str], numbered: Iterable[tuple[str, str]]) -> Any:
    """Messages of a call, from the first attribute that has them or from numbered ones; None when none has."""
    told = first(span.attributes, names)
    if told is not None:
        return shown("", readable(told))
    for prefix, between in numbered:
        messages: list[dict[str, Any]] = []
        while (said := span.attributes.get(f"{prefix}.{len(messages)}.{between}content")) is not None:
            role = span.attributes.get(f"{prefix}.{len(messages)}.{between}role", "")
            messages.append({"role": role, "content": shown("", said)})
        if messages:
            return messages
    return None


def readable(told: Any) -> Any:
    """JSON text as what it says, other text as it is."""
    read = parsed(told)
    return told if read is None else read


def is_cut(value: Any) -> bool:
    """Whether some text in it was kept only in part."""
    if isinstance(value, str):
        return CUT.search(value) is not None
    if isinstance(value, dict):
        return any(map(is_cut, value.values()))
    return isinstance(value, list) and any(map(is_cut, value))
