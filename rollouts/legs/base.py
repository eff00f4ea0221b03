"""What a leg is told and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two versions, as a leg needs it."""

    label: str
    body: dict[str, Any]
    behaviour_digest: str
    part_digests: dict[str, str]

    def said(self, name: str) -> str:
        """The metadata text ``name``, empty when it was not given."""
        metadata = self.body.get("metadata")
        value = metadata.get(name) if isinstance(metadata, dict) else None
        return str(value).strip() if value is not None else ""


@dataclass(frozen=True, slots=True)
class Change:
    """A rollback from ``old`` (taken back) to ``new`` (good)."""

    old: Side
    new: Side

    @property
    def behaves_alike(self) -> bool:
        return self.old.behaviour_digest == self.new.behaviour_digest

    def moved(self, *parts: str) -> list[str]:
        """Which of ``parts`` differ between the two versions."""
        return [part for part in parts if self.old.part_digests.get(part) != self.new.part_digests.get(part)]


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a leg begins: ``open``, ``done`` or ``not_applicable``, and one sentence for the person who walks it."""

    state: str
    sentence: str


def to_do(sentence: str) -> Plan:
    return Plan("open", sentence)


def not_applicable(sentence: str) -> Plan:
    return Plan("not_applicable", sentence)


def listed(names: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
