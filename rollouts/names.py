"""What bundles, labels and references may be called. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_VARIANT = "default"
#: Suffixes of the flags `<key>.version` and `<key>.enabled`; a variant of that name could not be told from them.
FLAG_SUFFIXES = frozenset({"version", "enabled"})

_PART = re.compile(r"(?!-)[A-Za-z0-9_-]{1,100}")
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """A bundle's name: ``str()`` is ``agent`` for the default variant, else ``agent.variant``."""

    agent: str
    variant: str = DEFAULT_VARIANT

    def __str__(self) -> str:
        return self.agent if self.variant == DEFAULT_VARIANT else f"{self.agent}.{self.variant}"


def parse_key(text: str) -> Key:
    """``agent`` or ``agent.variant``; ``agent.default`` is ``agent``. Raises ValueError with a sentence to show."""
    agent, dot, variant = text.partition(".")
    if not _PART.fullmatch(agent) or (dot and not _PART.fullmatch(variant)):
        raise ValueError(
            "A key is agent or agent.variant: letters, digits, _ and -, at most 100 of each, not beginning with -."
        )
    if variant.lower() in FLAG_SUFFIXES:
        raise ValueError(f"A variant cannot be called {variant}: {agent}.{variant} is the name of a flag.")
    return Key(agent, variant or DEFAULT_VARIANT)


def label_problem(label: str) -> str | None:
    """Why ``label`` cannot name a version; None when it can."""
    if not _LABEL.fullmatch(label):
        return "A label has 1 to 64 letters, digits, dots, _ and -."
    if label.isdigit():
        return "A label cannot be all digits: that would read as a version number."
    if not label.strip("."):
        return "A label cannot be dots alone: it would not work in an address."
    return None


def reference(key: str, environment: str, label: str) -> str:
    """``agent/environment/variant/label``, always four parts."""
    parsed = parse_key(key)
    return f"{parsed.agent}/{environment}/{parsed.variant}/{label}"
