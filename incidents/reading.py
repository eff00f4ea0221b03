"""What a monitor said, whichever it was: bytes in, :class:`AlertSignal` out. Pure; no database.

The parsers live in ``incidents.intake`` and enter themselves into :data:`PARSERS`, one per source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from accounts import strict_json


class Unreadable(Exception):
    """This body cannot be read as what its source sends; ``str()`` is a sentence for whoever looks at it."""


class Said(StrEnum):
    """What an alert's sender says of it now."""

    FIRING = "firing"
    RESOLVED = "resolved"
    HELD = "held"  # acknowledged, silenced, a test: told for the record, asks nobody for anything


class Names(NamedTuple):
    """Which deployment an alert means, in the sender's words; None where it did not say."""

    reference: str | None = None
    bundle: str | None = None
    agent: str | None = None
    variant: str | None = None
    service: str | None = None
    environment: str | None = None

    @property
    def raw(self) -> str | None:
        """The most telling of the names that were sent."""
        agent = f"{self.agent}.{self.variant}" if self.agent and self.variant else self.agent
        return self.reference or self.bundle or agent or self.service


NOTHING_NAMED = Names()


@dataclass(frozen=True, slots=True)
class AlertSignal:
    """One alert of one request, as sent: what is None or empty was not sent."""

    dedup_key: str
    said: Said
    title: str
    word: str = ""  # the sender's own word for ``said``, where it was HELD
    severity: str = ""  # the sender's own word
    started_at: datetime | None = None
    ended_at: datetime | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    group_key: str = ""  # scoped by receiver; of this integration
    not_shown: int = 0
    names: Names = NOTHING_NAMED
    header: Mapping[str, Any] = field(default_factory=dict)  # metric, comparator, threshold, value, window

    @property
    def digest(self) -> str:
        """Of what was said, to tell a repeat from a change."""
        started_at = self.started_at.isoformat() if self.started_at else None
        content = [self.title, self.severity, started_at, self.labels, self.annotations, self.links]
        try:
            said = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # an integer beyond 64 bits
            said = json.dumps(content, sort_keys=True).encode()
        return hashlib.sha256(said).hexdigest()


@dataclass(frozen=True, slots=True)
class ChangeSignal:
    """Something that its sender changed: a deploy, a flag, a migration. It opens nothing."""

    summary: str
    source: str = ""
    at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Mapping[str, str], ...] = ()  # href and text
    names: Names = NOTHING_NAMED


@dataclass(frozen=True, slots=True)
class Reading:
    """A body that was read, or why it was not: alerts, or one change."""

    signals: tuple[AlertSignal, ...] = ()
    error: str = ""
    digests: tuple[str, ...] = ()  # of the signals, made here to keep them out of the transaction
    change: ChangeSignal | None = None


Parser = Callable[[Any, Mapping[str, Any]], list[AlertSignal] | ChangeSignal]
#: source → (decoded body, the integration's settings) → signals; raises Unreadable.
PARSERS: dict[str, Parser] = {}


def read(source: str, body: bytes, settings: Mapping[str, Any]) -> Reading:
    """Read a body with the parser of its source. Never raises: what cannot be read says why."""
    try:
        value = decode(body)
    except Unreadable as error:
        return Reading(error=str(error))
    parser = PARSERS.get(source)
    return interpret(parser, source, value, settings) if parser else Reading(error=f"Nobody here reads {source}.")


def interpret(parser: Parser, source: str, value: Any, settings: Mapping[str, Any]) -> Reading:
    """What ``parser`` makes of a decoded body. Never raises."""
    try:
        found = parser(value, settings)
        if isinstance(found, ChangeSignal):
            return Reading(change=found)
        signals = tuple(found)
        return Reading(signals, digests=tuple(signal.digest for signal in signals))
    except Unreadable as error:
        return Reading(error=str(error))
    except Exception as error:  # a monitor's surprise must become a receipt that people can see, not a lost alert
        return Reading(error=f"The {source} parser failed on this body ({type(error).__name__}: {error}).")


def decode(body: bytes) -> Any:
    """JSON, strictly: UTF-8, no duplicate keys, no NaN, no number that overflows, at most 64 levels.

    NUL and half surrogates, which PostgreSQL cannot store, become U+FFFD; the receipt keeps the bytes.
    """
    if not body.strip():
        raise Unreadable("The body is empty.")
    try:
        value = strict_json.load(body)
    except strict_json.UnreadableJson as error:
        raise Unreadable(str(error)) from None
    return _storable(value) if b"\\u" in body else value


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value
