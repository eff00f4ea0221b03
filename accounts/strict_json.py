"""Reading JSON that somebody else wrote, without guessing what they meant."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class UnreadableJson(ValueError):
    """This is not JSON, or not JSON with one meaning; ``str()`` is a sentence for the sender."""


def load(raw: bytes) -> Any:
    """The value of ``raw``: UTF-8, each member once, finite numbers, no nesting that exhausts the parser."""
    try:
        return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_members_once, parse_constant=_no_constant)
    except UnreadableJson:
        raise
    except UnicodeDecodeError:
        raise UnreadableJson("The body is not UTF-8.") from None
    except RecursionError:
        raise UnreadableJson("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise UnreadableJson(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except ValueError:  # a whole number of thousands of digits
        raise UnreadableJson("The body holds a number that is too long.") from None


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


def _no_constant(name: str) -> NoReturn:
    raise UnreadableJson(f"The body holds {name}, which is not JSON.")
