"""Reading single fields of payloads whose senders agree on little. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from incidents.reading import Names

TITLE_LENGTH = 300
KEY_LENGTH = 300
GROUP_KEY_LENGTH = 500
#: What each thing is called unless an integration's ``settings["fields"]`` says otherwise; the first found counts.
type Vocabulary = dict[str, tuple[str, ...]]
FIELDS: Vocabulary = {
    "reference": ("reference",),
    "bundle": ("bundle",),
    "agent": ("agent",),
    "variant": ("variant",),
    "service": ("service",),
    "environment": ("environment", "env"),
    "metric": ("metric",),
    "comparator": ("comparator",),
    "threshold": ("threshold",),
    "value": ("value", "current_value"),
    "window": ("window",),
    "severity": ("severity",),
}
PLAIN_NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,17})?([eE][-+]?\d{1,3})?")
#: A whole address with a host, without blanks or the braces of a template left unexpanded.
LINK = re.compile(r"https?://[^\s/?#{}<>\"]+[^\s{}<>\"]*", re.IGNORECASE)
type Places = Sequence[Mapping[str, Any]]


def vocabulary(settings: Mapping[str, Any], defaults: Vocabulary) -> Vocabulary:
    """The field names that each thing may have under this integration."""
    chosen = settings.get("fields")
    if not isinstance(chosen, dict):
        return defaults
    own = {what: (names,) if isinstance(names, str) else names for what, names in chosen.items()}
    return defaults | {
        what: tuple(name for name in names if isinstance(name, str))
        for what, names in own.items()
        if isinstance(names, list | tuple)
    }


def find(places: Places, names: Iterable[str]) -> Any:
    """The first value that is there under one of ``names``, names before places; None when none is."""
    for name in names:
        for place in places:
            value = place.get(name)
            if value is not None and value != "":
                return value
    return None


def text_or_none(value: Any) -> str | None:
    """A scalar as text; None for nothing, blanks and containers."""
    if type(value) is str:
        return value.strip() or None
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() or None


def cut(text: str, length: int) -> str:
    """``text`` within ``length``, with … where something was left off."""
    return text if len(text) <= length else text[: length - 1] + "…"


def one_line(text: str) -> str:
    """A title: one line of at most 300 characters."""
    return cut(" ".join(text.split()), TITLE_LENGTH)


def bounded_key(text: str, length: int = KEY_LENGTH) -> str:
    """An identity within ``length``: a longer one ends in its digest, so two of them stay two."""
    if len(text) <= length:
        return text
    return text[: length - 65] + "-" + hashlib.sha256(text.encode()).hexdigest()


def derived_key(*parts: Any) -> str:
    """A stable identity made of what the sender did send."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()


def time_or_none(value: Any) -> datetime | None:
    """A moment in UTC; None for nothing, 0, the years 0001 and 1970's first day, and what is no time.

    Numbers are seconds since 1970, or milli-, micro- or nanoseconds by their size; no zone means UTC.
    """
    try:
        if isinstance(value, bool) or value in (None, "", 0, "0"):
            return None
        if isinstance(value, str) and PLAIN_NUMBER.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, int | float):
            seconds = float(value)
            for _ in ("milliseconds", "microseconds", "nanoseconds"):
                seconds = seconds / 1000 if abs(seconds) >= 1e11 else seconds
            moment = datetime.fromtimestamp(seconds, UTC)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.timestamp() >= 86400 else None


def number_or_text(value: Any) -> int | float | str | None:
    """A number where it is one or is plainly written as one, else the text as sent."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = text_or_none(value)
    if text is None or not PLAIN_NUMBER.fullmatch(text):
        return text
    return float(text) if any(mark in text for mark in ".eE") else int(text)


def is_link(value: Any) -> bool:
    """Whether this is a whole http(s) address and no template left unexpanded."""
    return isinstance(value, str) and LINK.fullmatch(value) is not None


def links(values: Iterable[Any]) -> tuple[str, ...]:
    """Those that are links, each once, in order."""
    return tuple(dict.fromkeys(value for value in values if is_link(value)))


def names(places: Places, words: Vocabulary) -> Names:
    """What the alert says about which deployment it means."""
    return Names(*[text_or_none(find(places, words[what])) for what in NAMES])


def header(places: Places, words: Vocabulary) -> dict[str, Any]:
    """Metric, comparator, threshold, value and window as far as they were sent."""
    found: dict[str, Any] = {}
    for what, reader in HEADER:
        value = find(places, words[what])
        if value is not None and (value := reader(value)) is not None:
            found[what] = value
    return found


NAMES = ("reference", "bundle", "agent", "variant", "service", "environment")
HEADER = (
    ("metric", text_or_none),
    ("comparator", text_or_none),
    ("threshold", number_or_text),
    ("value", number_or_text),
    ("window", text_or_none),
)
