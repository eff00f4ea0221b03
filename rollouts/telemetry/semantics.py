"""What a span says about one model call, tool call or agent run. Pure: a span in, an InvocationRow or None out.

The names are those of the GenAI semantic conventions, current and past, and of the libraries that came before them;
the first name that is present wins. Unknown is None (or blank text), never false and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rollouts.telemetry import judging
from rollouts.telemetry.bounded import bounded, clean, masked
from rollouts.telemetry.otlp import STATUS_ERROR, STATUS_OK, Attributes, Span
from rollouts.telemetry.reading import count, first, mapping, money, parsed, text, texts

LARGEST_NUMBER = 2**31 - 1
HEX = frozenset("0123456789abcdef")

OPERATION = ("gen_ai.operation.name", "llm.request.type")
PROVIDER = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
REQUEST_MODEL = ("gen_ai.request.model", "langfuse.observation.model.name", "llm.model_name")
RESPONSE_MODEL = ("gen_ai.response.model",)
INPUT_TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt")
OUTPUT_TOKENS = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion")
CACHE_READ_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
)
FINISH_REASONS = (
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "gen_ai.completion.0.finish_reason",
)
TOOL_NAME = ("gen_ai.tool.name", "tool.name")
TOOL_ARGUMENTS = ("gen_ai.tool.call.arguments", "tool_arguments", "input.value", "langfuse.observation.input", "input")
CONVERSATION = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.conversation_id",
)
COST = ("lastgood.cost_usd", "gen_ai.usage.cost", "gen_ai.usage.cost_usd", "llm.usage.cost", "operation.cost")
ENVIRONMENT = ("deployment.environment.name", "deployment.environment", "langfuse.environment")
INSTANCE = ("service.instance.id", "host.name")
REGION = ("cloud.region",)
#: Pairs of (bundle, version), strongest first (CONTRACT: what names the bundle).
ATTRIBUTIONS = (
    ("lastgood.bundle", "lastgood.version"),
    ("gen_ai.prompt.name", "gen_ai.prompt.version"),
    ("langfuse.observation.prompt.name", "langfuse.observation.prompt.version"),
    ("traceloop.prompt.key", "traceloop.prompt.version"),
)
FLAG_VERSION = ("feature_flag.result.variant", "feature_flag.variant", "feature_flag.version")

#: How others write our three environments.
ENVIRONMENTS = {"production": "prod", "development": "dev", "stage": "staging", "default": ""}
#: Kinds that libraries give their spans, as operations.
KINDS = {
    "langfuse.observation.type": {
        "generation": "chat",
        "embedding": "embeddings",
        "tool": "execute_tool",
        "agent": "invoke_agent",
        "retriever": "retrieval",
    },
    "openinference.span.kind": {
        "llm": "chat",
        "embedding": "embeddings",
        "tool": "execute_tool",
        "agent": "invoke_agent",
        "retriever": "retrieval",
    },
    "traceloop.span.kind": {"tool": "execute_tool", "agent": "invoke_agent", "workflow": "invoke_workflow"},
}
#: Any of these on a span, rather than on its resource, makes it worth judging.
TELLING = frozenset(
    {
        *OPERATION,
        *PROVIDER,
        *REQUEST_MODEL,
        *RESPONSE_MODEL,
        *TOOL_NAME,
        *INPUT_TOKENS,
        "gen_ai.agent.name",
        "gen_ai.agent.id",
        "lastgood.bundle",
        "gen_ai.prompt.name",
        "langfuse.observation.prompt.name",
        "traceloop.prompt.key",
    }
)
#: What has a column of its own and is not kept twice.
IN_COLUMNS = frozenset(
    {
        *OPERATION,
        *PROVIDER,
        *REQUEST_MODEL,
        *RESPONSE_MODEL,
        *INPUT_TOKENS,
        *OUTPUT_TOKENS,
        *CACHE_READ_TOKENS,
        *FINISH_REASONS[:2],
        *TOOL_NAME,
        *CONVERSATION[:2],
        "error.type",
        "lastgood.bundle",
        "lastgood.version",
        "gen_ai.prompt.name",
        "gen_ai.prompt.version",
    }
)
RESOURCE_KEPT = ("service.name", "service.version")
#: Operations that are a whole run of an agent rather than a part of one.
RUN_OPERATIONS = frozenset({"invoke_agent", "invoke_workflow"})
TOOL_OPERATION = "execute_tool"


@dataclass(slots=True)
class InvocationRow:
    """The columns of one ``Invocation``, and what the store still has to look up.

    ``flags``: (bundle key, version) pairs that feature flags told, used when nothing else names a bundle we know.
    ``tool_calls``: (tool, arguments) pairs to hold against the bundle's schemas. ``said_failed`` is the verdict of a
    span that is a whole agent run, None when it gave none or is only a part.
    """

    day: date
    at: datetime
    duration_ms: float | None
    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    operation: str
    bundle_key: str = ""
    version_number: int | None = None
    version_label: str = ""
    environment: str = ""
    instance: str = ""
    region: str = ""
    conversation_id: str = ""
    provider: str = ""
    request_model: str = ""
    response_model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cost_usd: Decimal | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error_type: str = ""
    error_message: str = ""
    failed: bool | None = None
    tool_name: str = ""
    tool_succeeded: bool | None = None
    refused: bool | None = None
    schema_valid: bool | None = None
    evaluations: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    flags: list[tuple[str, str]] = field(default_factory=list)
    tool_calls: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def said_failed(self) -> bool | None:
        return self.failed if self.operation in RUN_OPERATIONS else None


def is_invocation(span: Span) -> bool:
    """Whether the span is about a model, a tool or an agent, by its own attributes (its resource says nothing)."""
    if not TELLING.isdisjoint(span.attributes):
        return True
    return any(
        text(span.attributes.get(name), 40).lower() in operations
        for name, operations in KINDS.items()
        if name in span.attributes
    )


def invocation_of(span: Span) -> InvocationRow | None:
    """The span as a row; None when it is not about a model, a tool or an agent. Its times are taken as told."""
    if not is_invocation(span):
        return None
    said = span.attributes
    everything = {**span.resource, **said} if span.resource else said
    at = moment(span.start_ns)
    tool = text(first(said, TOOL_NAME), 200)
    operation = operation_of(said, tool)
    row = InvocationRow(
        day=at.date(),
        at=at,
        duration_ms=(span.end_ns - span.start_ns) / 1e6 if span.end_ns >= span.start_ns > 0 else None,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id if is_id(span.parent_span_id, 16) else "",
        name=masked(span.name, 160)[:200],
        operation=operation,
        environment=environment_of(everything),
        instance=text(first(everything, INSTANCE), 200),
        region=text(first(everything, REGION), 64),
        conversation_id=text(first(everything, CONVERSATION), 200),
        provider=text(first(said, PROVIDER), 64),
        request_model=text(first(said, REQUEST_MODEL), 200),
        response_model=text(first(said, RESPONSE_MODEL), 200),
        finish_reasons=texts(first(said, FINISH_REASONS), 64),
        tool_name=tool or (text(span.name, 200) if operation == TOOL_OPERATION else ""),
    )
    read_usage(row, said)
    attribute_bundle(row, everything, span)
    row.tool_calls = tool_calls_of(row, said)
    read_outcome(row, span)
    kept = {name: span.resource[name] for name in RESOURCE_KEPT if name in span.resource}
    row.attributes = bounded({**kept, **said}, IN_COLUMNS)
    return row


def is_id(value: str, length: int) -> bool:
    """Whether ``value`` is lower-case hex of that length, and not the zeros that mean "none"."""
    return len(value) == length and HEX.issuperset(value) and value.strip("0") != ""


def moment(nanoseconds: int) -> datetime:
    """UTC; what no calendar holds becomes 1970, which the store refuses."""
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return datetime.fromtimestamp(0, UTC)


def operation_of(said: Attributes, tool: str) -> str:
    """The operation as told, else as the library's own span kind or the attributes say; blank when none does."""
    told = text(first(said, OPERATION), 40).lower()
    if told:
        return {"completion": "text_completion", "embedding": "embeddings"}.get(told, told)
    for name, operations in KINDS.items():
        if found := operations.get(text(said.get(name), 40).lower()):
            return found
    if tool:
        return TOOL_OPERATION
    if first(said, (*REQUEST_MODEL, *RESPONSE_MODEL)) is not None:
        return "chat"
    return "invoke_agent" if "gen_ai.agent.name" in said else ""


def environment_of(everything: Attributes) -> str:
    """dev, staging or prod also when written out in full; another name stays what it is; blank when not told."""
    told = text(first(everything, ENVIRONMENT), 64)
    return ENVIRONMENTS.get(told.lower(), told)


def read_usage(row: InvocationRow, said: Attributes) -> None:
    """Tokens and cost as told. Input tokens include cached ones where the library says so; nothing is added up."""
    details = mapping(said.get("langfuse.observation.usage_details"))
    row.input_tokens = count(first(said, INPUT_TOKENS))
    row.output_tokens = count(first(said, OUTPUT_TOKENS))
    row.cache_read_tokens = count(first(said, CACHE_READ_TOKENS))
    if details:
        row.input_tokens = count(details.get("input")) if row.input_tokens is None else row.input_tokens
        row.output_tokens = count(details.get("output")) if row.output_tokens is None else row.output_tokens
    told = first(said, COST)
    row.cost_usd = money(mapping(said.get("langfuse.observation.cost_details")).get("total") if told is None else told)


def attribute_bundle(row: InvocationRow, everything: Attributes, span: Span) -> None:
    """Which bundle and version this was, by the strongest name that is there."""
    for key_name, version_name in ATTRIBUTIONS:
        key = text(everything.get(key_name), 201)
        if key:
            if key_name == "lastgood.bundle":
                key = read_reference(row, key)
            row.bundle_key = bundle_key(key)
            set_version(row, text(everything.get(version_name), 64))
            return
    places = [span.attributes, *(event.attributes for event in span.events if event.name.startswith("feature_flag"))]
    for place in places:
        flag = text(place.get("feature_flag.key"), 201)
        if flag:
            key, _, suffix = flag.rpartition(".")
            told = text(first(place, FLAG_VERSION), 64)
            row.flags.append((bundle_key(key), told) if suffix in {"version", "enabled"} else (bundle_key(flag), told))


def read_reference(row: InvocationRow, reference: str) -> str:
    """The key of ``key``, ``key@label`` or ``agent/environment/variant/label``; notes the other parts it names."""
    parts = reference.split("/")
    if len(parts) == 4:
        agent, environment, variant, label = parts
        row.environment = row.environment or environment[:64]
        set_version(row, label[:64])
        return f"{agent}.{variant}"
    key, _, label = reference.partition("@")
    set_version(row, label[:64])
    return key


def bundle_key(key: str) -> str:
    """``agent`` alone is the variant ``default``."""
    return key.removesuffix(".default") or key


def set_version(row: InvocationRow, told: str) -> None:
    """A label is never all digits, so what is told says by itself whether it is a number or a label."""
    if told.isascii() and told.isdecimal():
        row.version_number = count(told, LARGEST_NUMBER)
    elif told:
        row.version_label = told


def tool_calls_of(row: InvocationRow, said: Attributes) -> list[tuple[str, Any]]:
    """The tool calls whose arguments this span shows: its own, or those a model asked for."""
    if row.operation == TOOL_OPERATION:
        arguments = parsed(first(said, TOOL_ARGUMENTS))
        return [(row.tool_name, arguments)] if isinstance(arguments, dict) else []
    messages = parsed(said.get("gen_ai.output.messages"))
    calls: list[tuple[str, Any]] = []
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("parts") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("type") == "tool_call" and isinstance(part.get("name"), str):
                arguments = parsed(part.get("arguments"))
                if isinstance(arguments, dict):
                    calls.append((part["name"], arguments))
    return calls[:32]


def read_outcome(row: InvocationRow, span: Span) -> None:
    """Error, refusal, evaluations, and what follows from them."""
    said = span.attributes
    row.evaluations = judging.evaluations_of(span.events)
    row.schema_valid = judging.verdict_on(row.evaluations, "schema_valid")
    row.refused = judging.refused(row.finish_reasons, row.evaluations)
    failure = judging.failure_of(span)
    if failure is not None:
        row.error_type, row.error_message = failure
    if failure is not None or judging.any_failed(row.evaluations):
        row.failed = True
    elif span.end_ns and (span.status == STATUS_OK or row.operation not in RUN_OPERATIONS):
        row.failed = False  # the conventions mark every failed call; an agent's run that says nothing stays unknown
    if row.operation == TOOL_OPERATION and span.end_ns:
        row.tool_succeeded = failure is None
    if span.status == STATUS_ERROR and not row.error_type:
        row.error_type = clean(text(said.get("error.type"), 200) or "error", 200)
