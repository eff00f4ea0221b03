"""``/v1/traces``: OTLP/HTTP in, durable before it is answered."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from accounts import clock
from accounts.errors import OperationRefused
from accounts.middleware import ActorRequest
from rollouts import access
from rollouts.telemetry import otlp
from rollouts.telemetry.otlp import Encoding
from rollouts.telemetry.semantics import InvocationRow, invocation_of, is_id
from rollouts.telemetry.store import refusal_of_time, store

#: Rows one request may bring; exporters send 512 at a time.
MOST_ROWS = 10_000
RETRY_SECONDS = 5
CODES = {400: otlp.INVALID_ARGUMENT, 401: otlp.UNAUTHENTICATED, 403: otlp.DENIED, 404: otlp.NOT_FOUND}


@csrf_exempt
def traces(request: ActorRequest) -> HttpResponse:
    """Take the spans of a sender that bears a key with the scope ``telemetry``."""
    return take(request, langfuse=False)


@csrf_exempt
def langfuse_traces(request: ActorRequest) -> HttpResponse:
    """The same where the Langfuse SDK sends it, with the key it resolves prompts with."""
    return take(request, langfuse=True)


@csrf_exempt
def signal_not_taken(request: HttpRequest) -> HttpResponse:
    """Logs and metrics: saying 200 and forgetting them would be a lie."""
    return refuse(encoding_of(request) or Encoding.JSON, 404, "Lastgood takes traces only; do not send this signal.")


def take(request: ActorRequest, *, langfuse: bool) -> HttpResponse:
    """The answer to one export: 200 (perhaps in part), or a refusal that says whether to send it again."""
    encoding = encoding_of(request)
    answer_in = encoding or Encoding.JSON
    if request.method != "POST":
        response = refuse(answer_in, 405, "Spans are sent by POST.")
        response["Allow"] = "POST"
        return response
    try:
        environment = access.get_reporter(request.actor, request.headers.get("Authorization", ""), langfuse=langfuse)
        if encoding is None:
            return refuse(answer_in, 415, "The content type must be application/x-protobuf or application/json.")
        return keep(body_of(request), encoding, environment)
    except OperationRefused as refusal:
        response = refuse(answer_in, refusal.status, str(refusal))
        if refusal.status == 401:
            response["WWW-Authenticate"] = "Basic" if langfuse else "Bearer"
        return response
    except otlp.UnknownEncoding as unknown:
        return refuse(answer_in, 415, f"The content encoding {unknown} is not taken: use gzip or none.")
    except (otlp.TooLarge, RequestDataTooBig):
        return refuse(
            answer_in, 413, f"A request may hold {settings.OTLP_MAX_BYTES} bytes, unpacked. Send less at once."
        )
    except otlp.Malformed as malformed:
        return refuse(answer_in, 400, str(malformed))
    except (OperationalError, InterfaceError):
        response = refuse(answer_in, 503, "The database does not answer. Nothing was kept; send this again.")
        response["Retry-After"] = str(RETRY_SECONDS)
        return response


def keep(body: bytes, encoding: Encoding, environment: str) -> HttpResponse:
    """Store the rows in ``body``; what cannot be kept is counted and told of, the rest is kept all the same."""
    at = clock.now()
    rows: list[InvocationRow] = []
    rejected = 0
    reasons: dict[str, None] = {}  # in order, each once
    for span in otlp.decode(body, encoding):
        row = invocation_of(span)
        if row is None:
            continue
        reason = refusal_of_ids(row) or refusal_of_time(row, at)
        if reason is None and len(rows) >= MOST_ROWS:
            reason = f"a request may bring {MOST_ROWS} spans about models, tools and agents"
        if reason is not None:
            rejected += 1
            reasons[reason] = None
            continue
        row.environment = row.environment or environment
        rows.append(row)
    store(rows, at=at)
    message = f"{rejected} spans were not kept: {'; '.join(list(reasons)[:3])}." if rejected else ""
    return HttpResponse(otlp.accepted(encoding, rejected, message), content_type=encoding.value)


def refusal_of_ids(row: InvocationRow) -> str | None:
    """Why a span cannot be told apart from others; None when it can."""
    for name, value, length in (("trace id", row.trace_id, 32), ("span id", row.span_id, 16)):
        if not is_id(value, length):
            return f"a span's {name} is not {length} hex digits other than zeros"
    return None


def encoding_of(request: HttpRequest) -> Encoding | None:
    """Which of the two encodings the request says it has; None for any other."""
    content_type = (request.content_type or "").lower()
    return Encoding.PROTOBUF if content_type == "application/protobuf" else _ENCODINGS.get(content_type)


_ENCODINGS = {encoding.value: encoding for encoding in Encoding}


def body_of(request: HttpRequest) -> bytes:
    """The unpacked body; raises TooLarge before reading what announces itself as too large."""
    limit = settings.OTLP_MAX_BYTES
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise otlp.TooLarge
    return otlp.unpack(request.body, request.headers.get("Content-Encoding", "").strip().lower(), limit)


def refuse(encoding: Encoding, status: int, message: str) -> HttpResponse:
    body = otlp.refused(
        encoding, CODES.get(status, otlp.UNAVAILABLE if status >= 500 else otlp.INVALID_ARGUMENT), message
    )
    return HttpResponse(body, status=status, content_type=encoding.value)
