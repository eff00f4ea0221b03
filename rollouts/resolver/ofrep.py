"""OpenFeature remote evaluation: one flag, or all of them, for one caller."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
import orjson
from django.conf import settings

from accounts import clock
from accounts.strict_json import DEEPEST, deeper_than
from rollouts.resolver import credentials
from rollouts.resolver.feed import Feed
from rollouts.resolver.http import (
    JSON,
    NO_STORE,
    Answer,
    Receive,
    Refused,
    Scope,
    Send,
    TooLarge,
    header,
    json_answer,
    read_body,
)
from rollouts.resolver.sightings import Sightings, storable
from rollouts.resolver.state import SUFFIXES, Caller, Environment, Grant

VERSION, ENABLED = SUFFIXES.index(".version"), SUFFIXES.index(".enabled")
NAME_LENGTH, REGION_LENGTH = 200, 64
#: How long a caller that was told of a newer epoch is kept until this process has it too.
CATCH_UP_SECONDS = 0.5
INACTIVITY_SECONDS = 120
HOST = re.compile(rb"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


class Context(msgspec.Struct):
    """What we read of an evaluation context; everything else is skipped."""

    targetingKey: str | None = ""
    instance: Any = ""
    service_instance: Any = msgspec.field(name="service.instance.id", default="")
    region: Any = ""
    cloud_region: Any = msgspec.field(name="cloud.region", default="")
    cohort: Any = ""
    bundle: Any = ""
    agent: Any = ""

    @property
    def caller(self) -> Caller:
        return Caller(text(self.region) or text(self.cloud_region), text(self.cohort))

    @property
    def name(self) -> str:
        """Which instance asks; empty when the context does not say."""
        return storable(text(self.instance) or text(self.service_instance) or self.targetingKey or "", NAME_LENGTH)


class Evaluation(msgspec.Struct):
    """The body of a request. One provider sends ``{}`` when it was given no context: that asks for the default."""

    context: Context = msgspec.field(default_factory=Context)


_decoder = msgspec.json.Decoder(Evaluation)


def text(value: Any) -> str:
    """Anything but text counts as not given."""
    return value if isinstance(value, str) else ""


class Evaluator:
    """Both OFREP doors over one feed."""

    def __init__(self, feed: Feed, sightings: Sightings) -> None:
        self._feed = feed
        self._sightings = sightings

    async def one(self, scope: Scope, receive: Receive, send: Send, key: str) -> None:
        """``POST /ofrep/v1/evaluate/flags/<key>``"""
        now = clock.now()
        _, environment = self._allowed(scope, now)
        context = parse(await body_of(receive, key), key)
        caller = context.caller
        flag = environment.flags.get(key)
        if flag is None:
            raise Refused(not_found(key, f"No bundle of {environment.name} has this key."))
        served = flag.served
        answer = served.answers(caller)[flag.place]
        if answer is None:
            sentence = f"{served.key} has no active version in {environment.name}: promote one first."
            raise Refused(not_found(key, sentence))
        await answer.send(send)
        if name := context.name:
            if flag.place != VERSION:
                whole_flag = flag.place != ENABLED
                self._sightings.stops.answered(served, name, caller, now, whole_flag=whole_flag)
            if flag.place == ENABLED:  # whether it may run says nothing about which version it has
                self._sightings.touched(served, name, now)
            else:
                self._sightings.fetched(served, name, storable(caller.region, REGION_LENGTH), now)

    async def all(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``POST /ofrep/v1/evaluate/flags``; the ETag covers flags, epoch, context and what the key may see."""
        now = clock.now()
        grant, environment = self._allowed(scope, now)
        body = await body_of(receive)
        context = parse(body)
        caller = context.caller
        told = told_etag(scope)
        if told and told != environment.etag:
            if (epoch := epoch_of(told)) > environment.epoch:
                await self._feed.wait_for_epoch(environment.name, epoch, CATCH_UP_SECONDS)
                now = clock.now()
            _, environment = self._allowed(scope, now)
        etag = etag_for(environment, canonical(body), grant)
        if name := context.name:
            only = text(context.bundle) or text(context.agent)
            region = storable(caller.region, REGION_LENGTH)
            self._sightings.fetched_all(environment, only, name, region, now)
            self._sightings.stops.answered_all(environment, only, name, caller, now)
        if (not told or told == environment.etag) and etag in validators(scope):
            await Answer(304, b"", ((b"etag", etag), NO_STORE)).send(send)
            return
        await Answer(200, bulk_body(environment, caller, scope, grant), (JSON, NO_STORE, (b"etag", etag))).send(send)

    def _allowed(self, scope: Scope, now: datetime) -> tuple[Grant, Environment]:
        if scope["method"] != "POST":
            sentence = "Evaluation is a POST with a context."
            raise Refused(json_answer(405, {"errorDetails": sentence}, (b"allow", b"POST")))
        state = self._feed.state
        if state is None:
            raise Refused(not_yet(self._feed))
        grant = credentials.grant_for(state, credentials.bearer_or_api_key(scope), now)
        self._sightings.uses.used(grant.digest, now)
        return grant, credentials.environment_of(state, grant)


def parse(body: bytes, key: str | None = None) -> Context:
    """The context in ``body``; raises Refused with 400 and why."""
    try:
        if not body.isascii():
            body.decode()
        if body.count(b"{") + body.count(b"[") > DEEPEST and deeper_than(orjson.loads(body), DEEPEST):
            sentence = f"The body is nested deeper than {DEEPEST} levels."
            raise Refused(invalid("PARSE_ERROR", sentence, key))
        return _decoder.decode(body).context
    except msgspec.ValidationError as error:
        raise Refused(invalid("INVALID_CONTEXT", f"The evaluation context does not fit: {error}.", key)) from None
    except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(invalid("PARSE_ERROR", f"The body is not JSON that can be read: {error}.", key)) from None


async def body_of(receive: Receive, key: str | None = None) -> bytes:
    """The body; raises Refused with 413 when it is too large."""
    try:
        return await read_body(receive)
    except TooLarge:
        sentence = "An evaluation context is at most 64 KiB."
        raise Refused(Answer(413, invalid("PARSE_ERROR", sentence, key).body)) from None


def invalid(code: str, sentence: str, key: str | None) -> Answer:
    named = {} if key is None else {"key": printable(key)}
    return json_answer(400, {**named, "errorCode": code, "errorDetails": printable(sentence)})


def not_found(key: str, sentence: str) -> Answer:
    return json_answer(404, {"key": printable(key), "errorCode": "FLAG_NOT_FOUND", "errorDetails": sentence})


def not_yet(feed: Feed) -> Answer:
    """Nothing is known yet: not found would be a lie."""
    return json_answer(503, {"errorDetails": feed.problem}, (b"retry-after", b"1"))


def printable(given: str) -> str:
    """A caller's text, fit to be sent back: bounded and encodable."""
    return given[:300].encode("utf-8", "replace").decode()


def validators(scope: Scope) -> list[bytes]:
    """What the caller holds already; a proxy may have made the tags weak."""
    return [part.strip().removeprefix(b"W/") for part in header(scope, b"if-none-match").split(b",")]


def told_etag(scope: Scope) -> str:
    """``flagConfigEtag``: what an event of the change stream said; empty on every other fetch."""
    query = scope.get("query_string", b"")
    if not query:
        return ""
    found: str = parse_qs(query.decode("latin-1"), max_num_fields=20).get("flagConfigEtag", [""])[0]
    return found


def epoch_of(etag: str) -> int:
    number = etag.partition("-")[0]
    return int(number) if number.isdecimal() and len(number) < 19 else -1


def canonical(body: bytes) -> bytes:
    """The context in one form, whatever the order of its keys."""
    try:
        return orjson.dumps(orjson.loads(body).get("context"), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError as error:
        raise Refused(invalid("PARSE_ERROR", f"The body is not JSON that can be read: {error}.", None)) from None


def etag_for(environment: Environment, context: bytes, grant: Grant) -> bytes:
    """Differs whenever the answer may: by content, epoch, caller, or what the key may see."""
    known = f"{environment.name}\0{environment.etag}\0{grant.environment}\0".encode()
    return b'"' + hashlib.sha256(known + context).hexdigest()[:32].encode() + b'"'


def bulk_body(environment: Environment, caller: Caller, scope: Scope, grant: Grant) -> bytes:
    metadata = {"environment": environment.name, "epoch": environment.epoch}
    url = f"{origin(scope)}/api/stream?token={grant.stream_token}&since={environment.etag}"
    streams = [{"type": "sse", "url": url, "inactivityDelaySec": INACTIVITY_SECONDS}]
    return b"".join(
        (
            b'{"flags":[',
            environment.bulk_for(caller),
            b'],"metadata":',
            orjson.dumps(metadata),
            b',"eventStreams":',
            orjson.dumps(streams),
            b"}",
        )
    )


def origin(scope: Scope) -> str:
    """Where the caller reached us, so that a resolver near it hands out its own stream; else the configured URL."""
    host = header(scope, b"host")
    if not HOST.fullmatch(host):
        return str(settings.BASE_URL)
    scheme = "https" if settings.BASE_URL.startswith("https://") else scope.get("scheme", "http")
    return f"{scheme}://{host.decode()}"
