"""Reading OTLP bodies: both encodings, packed or not, and everything that is not one."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from rollouts.telemetry import otlp
from rollouts.telemetry.otlp import Encoding, Malformed, Span, TooLarge, UnknownEncoding, accepted, decode, refused
from tests.spans import request, span, value

LIMIT = 100_000


def read(body: Any, encoding: Encoding = Encoding.JSON) -> list[Span]:
    return list(decode(body if isinstance(body, bytes) else json.dumps(body).encode(), encoding))


def with_value(told: Any) -> dict[str, Any]:
    made = span()
    made["attributes"] = [{"key": "x", "value": told}]
    return request(made)


@pytest.mark.parametrize(
    ("told", "plain"),
    [
        ({"stringValue": "a"}, "a"),
        ({"boolValue": False}, False),
        ({"intValue": "-12"}, -12),
        ({"intValue": 12}, 12),
        ({"intValue": "twelve"}, None),
        ({"doubleValue": 1.5}, 1.5),
        ({"doubleValue": "1.5"}, 1.5),
        ({"doubleValue": "abc"}, None),
        ({"bytesValue": "aGk="}, "aGk="),
        ({"arrayValue": {"values": [{"intValue": "1"}, {}]}}, [1, None]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "a", "value": {"boolValue": True}}]}}, {"a": True}),
        ({"somethingNew": 1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_json_values_are_read(told: Any, plain: Any) -> None:
    assert read(with_value(told))[0].attributes == {"x": plain}


def test_unknown_fields_are_ignored_and_null_is_absence() -> None:
    made = request(span()) | {"new": {"deep": [1]}}
    made["resourceSpans"][0]["scopeSpans"][0]["spans"][0] |= {"links": [{"a": 1}], "events": None, "status": None}
    made["resourceSpans"][0]["resource"] = None
    (found,) = read(made)
    assert (found.events, found.status, found.resource) == ([], 0, {})


def test_enums_may_be_numbers_or_names() -> None:
    assert [read(request(span() | {"status": {"code": code}}))[0].status for code in (2, "STATUS_CODE_ERROR")] == [2, 2]


def test_ids_are_lower_case_hex() -> None:
    (found,) = read(request(span(trace="5B8EFFF798038103D269B633813FC60C", span_id="EEE19B7EC3C1B174")))
    assert (found.trace_id, found.span_id) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\xff"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 5}]}]}]}',
        b"[" * 100_000,
        b'{"x":' * 100_000,
        b'{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":' + b'{"arrayValue":{"values":[' * 50_000,
        json.dumps(request(span())).encode()[:-20],
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_not_json_of_a_request_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


@pytest.mark.parametrize("body", [b"{}", b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05abc"])
def test_what_is_not_protobuf_of_a_request_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body, Encoding.PROTOBUF)


def test_a_truncated_protobuf_body_is_malformed() -> None:
    made = ExportTraceServiceRequest()
    made.resource_spans.add().scope_spans.add().spans.add(name="chat" * 20)
    with pytest.raises(Malformed):
        read(made.SerializeToString()[:-10], Encoding.PROTOBUF)


def test_an_empty_protobuf_body_is_a_request_without_spans() -> None:
    assert read(b"", Encoding.PROTOBUF) == []


def test_json_nested_65_levels_is_read_as_far_as_anybody_reads() -> None:
    deep: Any = value("bottom")
    for _ in range(65):
        deep = {"arrayValue": {"values": [deep]}}
    found = read(with_value(deep))[0].attributes["x"]
    for _ in range(otlp.MAX_DEPTH):
        (found,) = found
    assert found == otlp.TOO_DEEP


def test_protobuf_nested_65_levels_is_malformed_because_its_library_says_so() -> None:
    made = ExportTraceServiceRequest()
    attribute = made.resource_spans.add().scope_spans.add().spans.add().attributes.add(key="x")
    deep: AnyValue = attribute.value
    for _ in range(65):
        deep = deep.array_value.values.add()
    with pytest.raises(Malformed):
        read(made.SerializeToString(), Encoding.PROTOBUF)


@pytest.mark.parametrize("pack", [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes)])
def test_a_packed_body_is_unpacked(pack: tuple[str, Any]) -> None:
    name, packed = pack
    assert otlp.unpack(packed(b"hello"), name, LIMIT) == b"hello"


def test_a_gzip_body_of_several_members_is_one_body() -> None:
    assert otlp.unpack(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", LIMIT) == b"ab"


@pytest.mark.parametrize(
    "bomb", [gzip.compress(b"\0" * 50_000_000, mtime=0), gzip.compress(b"\0" * 1_000, mtime=0) * 200]
)
def test_a_gzip_bomb_is_left_alone_once_it_is_too_large(bomb: bytes) -> None:
    assert len(bomb) < LIMIT
    with pytest.raises(TooLarge):
        otlp.unpack(bomb, "gzip", LIMIT)


def test_a_body_is_taken_up_to_the_limit_and_no_further() -> None:
    for name, packed in (("", bytes), ("gzip", gzip.compress)):
        assert len(otlp.unpack(packed(b"x" * LIMIT), name, LIMIT)) == LIMIT
        with pytest.raises(TooLarge):
            otlp.unpack(packed(b"x" * (LIMIT + 1)), name, LIMIT)


@pytest.mark.parametrize(
    "body", [b"plain", gzip.compress(b"hello", mtime=0)[:-4], gzip.compress(b"hello", mtime=0) + b"rest", b"\x1f"]
)
def test_what_is_not_gzip_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        otlp.unpack(body, "gzip", LIMIT)


def test_an_unknown_content_encoding_is_named() -> None:
    with pytest.raises(UnknownEncoding, match="br"):
        otlp.unpack(b"", "br", LIMIT)


def test_answers_speak_the_encoding_of_the_request() -> None:
    assert accepted(Encoding.JSON, 0, "") == b"{}"
    assert accepted(Encoding.PROTOBUF, 0, "") == b""
    assert json.loads(accepted(Encoding.JSON, 3, "why")) == {
        "partialSuccess": {"rejectedSpans": "3", "errorMessage": "why"}
    }
    answer = ExportTraceServiceResponse.FromString(accepted(Encoding.PROTOBUF, 3, "why"))
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (3, "why")


def test_a_refusal_is_a_status() -> None:
    status_pb2 = pytest.importorskip("google.rpc.status_pb2")
    message = "because " * 40
    status = status_pb2.Status.FromString(refused(Encoding.PROTOBUF, 3, message))
    assert (status.code, status.message) == (3, message)
    assert json.loads(refused(Encoding.JSON, 3, "no")) == {"code": 3, "message": "no"}
