"""Whether a model snapshot is pinned or an alias that its provider may move. Pure."""

from __future__ import annotations

import re

#: Words by which providers call whatever they serve today.
_MOVING = re.compile(
    r"(^|[-_.:/@ ])(latest|current|stable|default|newest|auto|preview|exp|experimental)$", re.IGNORECASE
)
#: 2025-04-14, 20250414, 0613, 001: how providers write a fixed snapshot at the end of a name.
_DATED = re.compile(r"(^|[-_.:/@])(\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{2}-\d{2}|\d{3,})(-v\d+(:\d+)?)?$")
#: Content addresses and revisions: sha256:…, @<hex>, a trailing commit.
_ADDRESSED = re.compile(r"(sha256[:-][0-9a-f]{12,64}|[@:#-][0-9a-f]{7,64})$", re.IGNORECASE)
#: Open weights served by oneself, named by their files: llama-3.1-70b-instruct-q4_k_m.gguf, mistral-7b-v0.3.
_VERSIONED = re.compile(r"[-_@:]v\d+(\.\d+)*(:\d+)?$", re.IGNORECASE)
#: Names without a date that their providers promise never to move.
_PROMISED = re.compile(r"(^ft:|(^|[./])claude-(opus|sonnet|haiku)-(4-[6-9]|[5-9](-\d{1,2})?)$)", re.IGNORECASE)


def is_moving(name: str) -> bool:
    """Whether ``name`` ends in a word for whatever is newest, such as ``-latest``."""
    return _MOVING.search(name.strip()) is not None


def is_pinned(snapshot: str) -> bool:
    """Whether ``snapshot`` names one fixed model.

    The rule, in order: a name that ends in a moving word (``-latest``, ``-preview``, …) is an alias; a name that
    ends in a date, a build number (``-0613``, ``-001``), a digest, a revision or ``-v2`` is pinned, and so
    are fine-tunes and the few undated names whose provider promises it; anything else (``gpt-4o``,
    ``claude-sonnet-4-5``) is a family name, hence an alias.
    """
    name = snapshot.strip()
    if not name or _MOVING.search(name):
        return False
    if _DATED.search(name) or _PROMISED.search(name) or _VERSIONED.search(name):
        return True
    address = _ADDRESSED.search(name)
    return address is not None and (address[0].lower().startswith("sha256") or any(c.isdigit() for c in address[0]))


#: Where a model is bought, and how that place writes its names: ``us.anthropic.…-v1:0``, ``models/…``, ``…@001``.
_PLACE = re.compile(r"^(?:[a-z]{2,6}\.)?(?:anthropic|amazon|meta|mistral|cohere|ai21|deepseek|openai|google)\.")
_BUILD = re.compile(r"-v\d+(?::\d+)?$|:\d+$")


def is_same(snapshot: str, served: str) -> bool:
    """Whether ``served``, as a provider or a gateway names what answered, is the pinned ``snapshot``."""
    return _bare(snapshot) == _bare(served)


def _bare(name: str) -> str:
    bare = _PLACE.sub("", name.strip().casefold().rsplit("/", 1)[-1])
    return _BUILD.sub("", bare).replace("@", "-")
