"""What a reader would stumble over in a postmortem. Pure: content in, findings out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Content = Mapping[str, Any]

#: Diagnosis classes where what the agent inferred was wrong: wording and guards alone do not change that.
INFERENTIAL = frozenset(
    {
        "spec_gap",
        "missing_capability",
        "scope_creep",
        "oversight_failure",
        "compounding_error",
        "model_level",
        "perceptual",
    }
)
DETERMINISTIC = frozenset({"wording", "guard"})
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: which ``rule``, ``where`` on the page (``sections.impact``, ``actions.2``), what it is, as an order,
    what could stand there instead, and whether the page can be closed with it."""

    rule: str
    where: str
    sentence: str
    suggestion: str = ""
    blocks: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "where": self.where,
            "sentence": self.sentence,
            "suggestion": self.suggestion,
            "blocks": self.blocks,
        }


def findings(content: Content) -> list[Finding]:
    """Everything found, in the order of the page; what blocks first."""
    found = [finding for rule in RULES for finding in rule(content)]
    return sorted(found, key=lambda finding: not finding.blocks)


# -- actions ----------------------------------------------------------------------------------------------------------


def _standing(content: Content) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Actions that were not dropped, numbered as the page numbers them."""
    for number, action in enumerate(content.get("actions") or (), 1):
        if not action.get("dropped_at"):
            yield number, action


def deterministic_only(content: Content) -> Iterator[Finding]:
    """R156: every action a reword or a guard, while what went wrong was an inference."""
    diagnosis = (content.get("header") or {}).get("diagnosis")
    kinds = [action.get("kind") for _, action in _standing(content)]
    if diagnosis in INFERENTIAL and kinds and DETERMINISTIC.issuperset(kinds):
        yield Finding(
            "deterministic-only",
            "actions",
            f"Every action is a wording or a guard, while the class is {diagnosis.replace('_', ' ')}: the agent's "
            "plan was wrong, and it will be wrong elsewhere.",
            "Add an eval case, a rate target, a narrower scope, an owner or a gate.",
        )


def ownerless(content: Content) -> Iterator[Finding]:
    """R159: an action nobody does, or at no time."""
    for number, action in _standing(content):
        if action.get("done_at"):
            continue
        if not action.get("owner"):
            yield Finding("action-owner", f"actions.{number}", f"Name an owner for action {number}.", blocks=True)
        if not action.get("due_on"):
            yield Finding("action-due", f"actions.{number}", f"Set a due day for action {number}.", blocks=True)


def unverified(content: Content) -> Iterator[Finding]:
    """An action that nobody could tell worked."""
    for number, action in _standing(content):
        if not (action.get("verification") or "").strip():
            yield Finding(
                "action-verification", f"actions.{number}", f"Say how you will know that action {number} worked."
            )


RULES: tuple[Callable[[Content], Iterable[Finding]], ...] = (deterministic_only, ownerless, unverified)
WORD = re.compile(r"\w+")
