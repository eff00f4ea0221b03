"""Making strangers' text safe to keep: no NUL, no obvious secrets, nothing without an end. Pure."""

from __future__ import annotations

import math
import re
from typing import Any

MASK = "[masked]"
#: Characters of one attribute value that are kept.
VALUE_LIMIT = 8_192
#: Attributes of one span, and characters of all their values together, that are kept.
COUNT_LIMIT = 128
TOTAL_LIMIT = 32_768

SECRET_NAME = re.compile(
    r"(?:^|[._-])(?:authorization|x?-?api[._-]?key|passwd|password|secret|(?:access|refresh|id|auth|bearer)[._-]token"
    r"|cookie|private[._-]key|credentials?)(?:$|[._-])",
    re.IGNORECASE,
)
#: (what such a text holds for certain, the secret): the first is looked for first, because that is far quicker.
SECRET_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("sk-", re.compile(r"\bsk-[A-Za-z0-9_-]{16,}")),  # OpenAI, Anthropic
    ("gh", re.compile(r"\bgh[pousr]_[A-Za-z0-9_]{20,}")),
    ("github_pat_", re.compile(r"\bgithub_pat_[A-Za-z0-9_]{20,}")),
    ("xox", re.compile(r"\bxox[a-z]-[A-Za-z0-9-]{10,}")),
    ("AKIA", re.compile(r"\bAKIA[0-9A-Z]{16}\b")),
    ("AIza", re.compile(r"\bAIza[0-9A-Za-z_-]{30,}")),
    ("lg", re.compile(r"\blg[a-z]_[A-Za-z0-9_-]{20,}")),  # our own
    ("eyJ", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),  # JSON web tokens
    ("PRIVATE KEY", re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}KEY-----)?")),
    ("earer ", re.compile(r"(?<=[Bb]earer )[A-Za-z0-9._~+/=-]{16,}")),
    ("Basic ", re.compile(r"(?<=\bBasic )[A-Za-z0-9+/=]{16,}")),
    ("://", re.compile(r"(?<=://)[^/\s:@]{1,64}:[^/\s@]{1,128}(?=@)")),
)
#: ``"password": "…"`` and ``api_key=…`` inside longer text.
SECRET_PAIR_MARKS = ("api", "passw", "secret", "access")
SECRET_PAIR = re.compile(
    r"((?:api[_-]?key|passwd|password|secret|access[_-]token)\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?)[^\s\"'\\,;}&]{4,}",
    re.IGNORECASE,
)


def clean(text: str, limit: int) -> str:
    """``text`` without NUL and half characters, at most ``limit`` characters."""
    text = text[:limit]
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def masked(text: str, limit: int = VALUE_LIMIT) -> str:
    """``text`` as :func:`clean` gives it, obvious secrets masked, with a mark that tells how much was cut off."""
    short = clean(text, limit + 256)  # a little more than is kept, so that a secret at the edge is seen whole
    for mark, secret in SECRET_TEXTS:
        if mark in short:
            short = secret.sub(MASK, short)
    lower = short.lower()
    if any(mark in lower for mark in SECRET_PAIR_MARKS):
        short = SECRET_PAIR.sub(rf"\g<1>{MASK}", short)
    if len(text) > limit:
        return f"{short[:limit]}… [cut: {len(text)} characters]"
    return short


def bounded(attributes: dict[str, Any], without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What is kept of ``attributes``: masked, cut, and no more than the limits; what is dropped leaves a mark."""
    kept: dict[str, Any] = {}
    room = TOTAL_LIMIT
    dropped = 0
    for name, value in attributes.items():
        if name in without or value is None:
            continue
        if len(kept) >= COUNT_LIMIT or room <= 0:
            dropped += 1
            continue
        safe = _bounded_value(name, value)
        room -= len(name) + _size(safe)
        kept[clean(name, 200)] = safe
    if dropped:
        kept["lastgood.dropped_attributes"] = dropped
    return kept


def _bounded_value(name: str, value: Any) -> Any:
    if SECRET_NAME.search(name):
        return MASK
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int) and abs(value) >= 2**63:
        return str(value)
    if isinstance(value, list):
        return [_bounded_value("", item) for item in value[:64]]
    if isinstance(value, dict):
        return {clean(key, 200): _bounded_value(key, item) for key, item in list(value.items())[:64]}
    return value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_size, value)) + 1
    if isinstance(value, dict):
        return sum(len(key) + _size(item) for key, item in value.items()) + 1
    return 8
