"""Reading JSON that somebody else wrote, without guessing what they meant."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

#: Levels of objects and lists. Nothing anybody means is deeper, and what walks it later does so by recursion.
DEEPEST = 64


class UnreadableJson(ValueError):
    """This is not JSON, or not JSON with one meaning; ``str()`` is a sentence for the sender."""


def load(raw: bytes) -> Any:
    """The value of ``raw``: UTF-8, each member once, finite numbers, at most ``DEEPEST`` levels."""
    try:
        value = json.loads(
            raw.decode("utf-8-sig"),
            object_pairs_hook=_members_once,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnreadableJson:
        raise
    except UnicodeDecodeError:
        raise UnreadableJson("The body is not UTF-8.") from None
    except RecursionError:
        raise UnreadableJson(f"The body is nested deeper than {DEEPEST} levels.") from None
    except json.JSONDecodeError as error:
        raise UnreadableJson(
            f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})."
        ) from None
    except ValueError:  # a whole number of thousands of digits
        raise UnreadableJson("The body holds a number that is too long.") from None
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and deeper_than(value, DEEPEST):
        raise UnreadableJson(f"The body is nested deeper than {DEEPEST} levels.")
    return value


def deeper_than(value: Any, limit: int) -> bool:
    """Whether decoded JSON has more than ``limit`` levels of objects and lists; walks it level by level."""
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level:
        depth += 1
        if depth > limit:
            return True
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) is dict or type(child) is list
        ]
    return False


def storable(text: str) -> str:
    """``text``, if PostgreSQL can hold it. For pydantic fields: a stray character is then a finding, not a failure."""
    if "\0" in text:
        raise ValueError("The character U+0000 cannot be stored.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("Half of a surrogate pair cannot be stored.") from None
    return text


def _members_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise UnreadableJson(f"The member {twice[:100]!r} stands twice in one object.")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise UnreadableJson("The body holds a number beyond all bounds.")
    return number


def _no_constant(name: str) -> NoReturn:
    raise UnreadableJson(f"The body holds {name}, which is not JSON.")
