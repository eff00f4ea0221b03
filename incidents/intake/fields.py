"""Reading single fields of payloads whose senders agree on little. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from incidents.reading import Names

TITLE_LENGTH = 300
KEY_LENGTH = 300
GROUP_KEY_LENGTH = 500
#: What each thing is called unless an integration's ``settings["fields"]`` says otherwise; the first found counts.
FIELDS: dict[str, tuple[str, ...]] = {
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
}
PLAIN_NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,17})?([eE][-+]?\d{1,3})?")
Places = Sequence[Mapping[str, Any]]


def names_of(what: str, settings: Mapping[str, Any], defaults: Mapping[str, tuple[str, ...]] = FIELDS) -> Sequence[str]:
    """The field names that ``what`` may have under this integration."""
    chosen = settings.get("fields")
    own = chosen.get(what) if isinstance(chosen, Mapping) else None
    if isinstance(own, str):
        return (own,)
    if isinstance(own, Sequence):
        return tuple(name for name in own if isinstance(name, str))
    return defaults.get(what, ())


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
            while abs(seconds) >= 1e11:
                seconds /= 1000
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
    if not isinstance(value, str) or not value.startswith(("http://", "https://", "HTTP://", "HTTPS://")):
        return False
    if any(mark.isspace() or mark in '{}<>"' for mark in value):
        return False
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:
        return False


def links(values: Iterable[Any]) -> tuple[str, ...]:
    """Those that are links, each once, in order."""
    return tuple(dict.fromkeys(value for value in values if is_link(value)))


def names(places: Places, settings: Mapping[str, Any]) -> Names:
    """What the alert says about which deployment it means."""
    kinds = ("reference", "bundle", "agent", "variant", "service", "environment")
    return Names(*(text_or_none(find(places, names_of(what, settings))) for what in kinds))


def header(places: Places, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Metric, comparator, threshold, value and window as far as they were sent."""
    found: dict[str, Any] = {}
    for what in ("metric", "comparator", "threshold", "value", "window"):
        value = find(places, names_of(what, settings))
        if value is not None:
            found[what] = number_or_text(value) if what in ("threshold", "value") else text_or_none(value)
    return {what: value for what, value in found.items() if value is not None}
