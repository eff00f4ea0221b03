"""OTLP/HTTP bodies in, plain spans out, and the answers the protocol asks for. Pure: no database, no Django.

Both encodings become the same :class:`Span`. Nothing here knows what a span means (see ``semantics``).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

#: Attribute values nested deeper than this are replaced by a mark: nobody reads them and they cost recursion.
MAX_DEPTH = 16
TOO_DEEP = "[dropped: nested too deep]"
STATUS_OK, STATUS_ERROR = 1, 2
STATUS_NAMES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": STATUS_OK, "STATUS_CODE_ERROR": STATUS_ERROR}
#: google.rpc.Code of the answers we give.
INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE, UNAUTHENTICATED, DENIED = 3, 5, 8, 14, 16, 7

Attributes = dict[str, Any]


class Encoding(StrEnum):
    """The two encodings of OTLP/HTTP, by content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class Malformed(Exception):
    """The body is not what its content type says; ``str()`` is a sentence for the sender."""


class TooLarge(Exception):
    """The body is larger, once unpacked, than we accept."""


class UnknownEncoding(Exception):
    """A content encoding we do not unpack."""


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    attributes: Attributes


@dataclass(slots=True)
class Span:
    """One span as it was sent. Ids are lower-case hex (as sent when malformed), times nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    start_ns: int
    end_ns: int
    status: int
    status_message: str
    attributes: Attributes
    events: list[Event]
    resource: Attributes = field(default_factory=dict)
    scope: str = ""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """``body`` without its content encoding; raises TooLarge past ``limit`` bytes without unpacking more than that."""
    if encoding in {"", "identity"}:
        if len(body) > limit:
            raise TooLarge
        return body
    if encoding not in {"gzip", "deflate"}:
        raise UnknownEncoding(encoding)
    unpacked = bytearray()
    rest = body
    while rest:  # a gzip body may have several members
        stream = zlib.decompressobj(wbits=31 if encoding == "gzip" else 15)
        try:
            unpacked += stream.decompress(rest, limit + 1 - len(unpacked))
        except zlib.error as error:
            raise Malformed(f"The body is not {encoding}: {error}.") from None
        if len(unpacked) > limit:
            raise TooLarge
        if not stream.eof:
            raise Malformed(f"The {encoding} body ends too early.")
        rest = stream.unused_data
    return bytes(unpacked)


def decode(body: bytes, encoding: Encoding) -> Iterator[Span]:
    """The spans of one export request, in order; raises Malformed (before the first span) with a sentence."""
    return _decode_protobuf(body) if encoding == Encoding.PROTOBUF else _decode_json(body)


# -- protobuf ------------------------------------------------------------------------------------------------------
def _decode_protobuf(body: bytes) -> Iterator[Span]:
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except (DecodeError, ValueError, RecursionError):
        raise Malformed("The body is not an ExportTraceServiceRequest in protobuf encoding.") from None
    return _protobuf_spans(request)


def _protobuf_spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for group in request.resource_spans:
        resource = _pairs(group.resource.attributes)
        for scoped in group.scope_spans:
            for span in scoped.spans:
                yield Span(
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_span_id=span.parent_span_id.hex(),
                    name=span.name,
                    start_ns=span.start_time_unix_nano,
                    end_ns=span.end_time_unix_nano,
                    status=span.status.code,
                    status_message=span.status.message,
                    attributes=_pairs(span.attributes),
                    events=[Event(event.name, _pairs(event.attributes)) for event in span.events],
                    resource=resource,
                    scope=scoped.scope.name,
                )


def _pairs(pairs: Iterable[KeyValue], depth: int = 0) -> Attributes:
    return {pair.key: _value(pair.value, depth) for pair in pairs}


def _value(value: AnyValue, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "bytes_value":
        return value.bytes_value.hex()
    if kind not in {"array_value", "kvlist_value"}:
        return getattr(value, kind)
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values]
    return _pairs(value.kvlist_value.values, depth + 1)


# -- JSON ----------------------------------------------------------------------------------------------------------
class _Message(msgspec.Struct, rename="camel"):
    """Unknown fields are ignored and null is absence, as the JSON mapping of protobuf says."""


class _JsonArray(_Message):
    values: list[_JsonValue] | None = None


class _JsonPairs(_Message):
    values: list[_JsonPair] | None = None


class _JsonValue(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    bytes_value: str | None = None
    array_value: _JsonArray | None = None
    kvlist_value: _JsonPairs | None = None


class _JsonPair(_Message):
    key: str = ""
    value: _JsonValue | None = None


class _JsonEvent(_Message):
    name: str | None = None
    attributes: list[_JsonPair] | None = None


class _JsonStatus(_Message):
    code: int | str | None = None
    message: str | None = None


class _JsonSpan(_Message):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_JsonPair] | None = None
    events: list[_JsonEvent] | None = None
    status: _JsonStatus | None = None


class _JsonScope(_Message):
    name: str | None = None


class _JsonScopeSpans(_Message):
    scope: _JsonScope | None = None
    spans: list[_JsonSpan] | None = None


class _JsonResource(_Message):
    attributes: list[_JsonPair] | None = None


class _JsonResourceSpans(_Message):
    resource: _JsonResource | None = None
    scope_spans: list[_JsonScopeSpans] | None = None


class _JsonRequest(_Message):
    resource_spans: list[_JsonResourceSpans] | None = None


_json_decoder = msgspec.json.Decoder(_JsonRequest)


def _decode_json(body: bytes) -> Iterator[Span]:
    try:
        request = _json_decoder.decode(body)
    except RecursionError:
        raise Malformed("The body is nested too deep.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not an ExportTraceServiceRequest in JSON: {error}.") from None
    return _json_spans(request)


def _json_spans(request: _JsonRequest) -> Iterator[Span]:
    for group in request.resource_spans or ():
        resource = _json_pairs(group.resource.attributes if group.resource else None)
        for scoped in group.scope_spans or ():
            scope = (scoped.scope.name if scoped.scope else None) or ""
            for span in scoped.spans or ():
                status = span.status or _JsonStatus()
                yield Span(
                    trace_id=(span.trace_id or "").lower(),
                    span_id=(span.span_id or "").lower(),
                    parent_span_id=(span.parent_span_id or "").lower(),
                    name=span.name or "",
                    start_ns=_integer(span.start_time_unix_nano) or 0,
                    end_ns=_integer(span.end_time_unix_nano) or 0,
                    status=STATUS_NAMES.get(status.code, 0) if isinstance(status.code, str) else status.code or 0,
                    status_message=status.message or "",
                    attributes=_json_pairs(span.attributes),
                    events=[Event(event.name or "", _json_pairs(event.attributes)) for event in span.events or ()],
                    resource=resource,
                    scope=scope,
                )


def _json_pairs(pairs: list[_JsonPair] | None, depth: int = 0) -> Attributes:
    return {pair.key: _json_value(pair.value, depth) for pair in pairs or ()}


def _json_value(value: _JsonValue | None, depth: int) -> Any:
    if value is None:
        return None
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    if value.int_value is not None:
        return _integer(value.int_value)
    if value.double_value is not None:
        return _number(value.double_value)
    if value.bytes_value is not None:
        return value.bytes_value
    if value.array_value is None and value.kvlist_value is None:
        return None
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    if value.array_value is not None:
        return [_json_value(item, depth + 1) for item in value.array_value.values or ()]
    assert value.kvlist_value is not None  # noqa: S101 (for the type checker: the other case returned above)
    return _json_pairs(value.kvlist_value.values, depth + 1)


def _integer(value: int | str | None) -> int | None:
    """64-bit integers are decimal strings in this mapping; numbers are taken too. Anything else is unknown."""
    if isinstance(value, str):
        return int(value) if len(value) <= 20 and value.removeprefix("-").isdecimal() else None
    return value


def _number(value: float | str) -> float | None:
    """Not-a-number and the infinities are strings in this mapping, and nothing we could count with."""
    try:
        return float(value)
    except ValueError:
        return None


# -- answers -------------------------------------------------------------------------------------------------------
def accepted(encoding: Encoding, rejected: int, message: str) -> bytes:
    """An ExportTraceServiceResponse; ``partialSuccess`` only when something was rejected or is worth saying."""
    if encoding == Encoding.JSON:
        partial = {"rejectedSpans": str(rejected), "errorMessage": message}
        return msgspec.json.encode({"partialSuccess": partial} if rejected or message else {})
    response = ExportTraceServiceResponse()
    if rejected or message:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = message
    return bytes(response.SerializeToString())


def refused(encoding: Encoding, code: int, message: str) -> bytes:
    """A google.rpc.Status with ``code`` and ``message`` (fields 1 and 2), as every refusal of OTLP/HTTP carries."""
    if encoding == Encoding.JSON:
        return msgspec.json.encode({"code": code, "message": message})
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
