"""Reading attributes that may have any type: what is not what it should be is unknown. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from rollouts.telemetry.bounded import clean

LARGEST = 2**63 - 1


def first(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The value of the first of ``names`` that is there and not null or empty."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def text(value: Any, limit: int) -> str:
    """A short text; blank when there is none. Lists and maps are no text."""
    if isinstance(value, str):
        return clean(value.strip(), limit)
    if isinstance(value, bool | int | float):
        return str(value)[:limit]
    return ""


def count(value: Any, largest: int = LARGEST) -> int | None:
    """A whole number that is not negative, also when it was sent as text or as a float."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        stripped = value.strip()
        if not (stripped.isascii() and stripped.isdecimal() and len(stripped) <= 19):
            return None
        value = int(stripped)
    if isinstance(value, float):
        if not (math.isfinite(value) and value.is_integer()):
            return None
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= largest else None


def number(value: Any) -> float | None:
    """A finite number, also when it was sent as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def money(value: Any) -> Decimal | None:
    """US dollars: not negative, below a hundred million, to a millionth."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value)[:40])
    except InvalidOperation:
        return None
    if not found.is_finite() or not 0 <= found < 100_000_000:
        return None
    return found.quantize(Decimal("0.000001"))


def texts(value: Any, limit: int, most: int = 16) -> list[str]:
    """A list of short texts: from a list, from JSON text of one, or a single text."""
    if isinstance(value, str) and value.startswith("["):
        value = parsed(value)
    items = value if isinstance(value, list) else [value]
    return [found for item in items[:most] if (found := text(item, limit))]


def parsed(value: Any, longest: int = 65_536) -> Any:
    """The value itself, or what it says when it is JSON text; None when it cannot be read."""
    if not isinstance(value, str):
        return value
    if len(value) > longest:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> dict[str, Any]:
    """A map, also from JSON text; empty when there is none."""
    found = parsed(value)
    return found if isinstance(found, dict) else {}
