"""Hash chains: each row's digest covers its content and the row before it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

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
    return hashlib.sha256(rfc8785.dumps(canonical({"previous": previous or GENESIS, **content}))).hexdigest()
