"""Hash chains: each row's digest covers its content and the row before it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import rfc8785

GENESIS = "0" * 64


def canonical(value: Any) -> Any:
    """``value`` with times as ISO 8601 UTC text, so that it has one RFC 8785 form."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


def link(previous: str, content: Mapping[str, Any]) -> str:
    """SHA-256, hex, over the canonical JSON of ``content`` and the digest before it."""
    return hashlib.sha256(canonical_json({"previous": previous or GENESIS, **content})).hexdigest()


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of :func:`canonical`; by orjson, twenty times as fast, where the two cannot differ.

    They differ in how floats are written and in the order of keys beyond ASCII, so neither is given to orjson.
    """
    if _is_plain(value):
        with contextlib.suppress(TypeError):  # an integer beyond 53 bits, which canonical() writes as text
            return orjson.dumps(value, default=canonical, option=PLAIN)
    return rfc8785.dumps(canonical(value))


PLAIN = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_DATETIME


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(value, str | int | datetime):
        return True
    if isinstance(value, dict):
        return all(isinstance(key, str) and key.isascii() and _is_plain(item) for key, item in value.items())
    return isinstance(value, list | tuple) and all(map(_is_plain, value))
