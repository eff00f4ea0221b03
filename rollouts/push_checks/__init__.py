"""What is checked of a body when it is pushed: one pure function per file, each giving :class:`Concern`\\ s.

``refusals`` are wrong anywhere: the push stores nothing. ``concerns`` are kept beside the version, for dev may well
run what prod should not; what promotion refuses is decided there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from rollouts.push_checks import alias, arguments, change_note, embedding, examples, lint, reviewer
from rollouts.push_checks.base import ERROR, WARNING, Concern, Lines, Place
from rollouts.push_checks.lint import Rules

__all__ = ["ERROR", "MOST", "WARNING", "Concern", "Lines", "Place", "Rules", "concerns", "refusals"]

MOST = 100  # of either kind that one push is told
CHECKS: tuple[Callable[[Mapping[str, Any]], Iterable[Concern]], ...] = (
    arguments.check,
    alias.check,
    embedding.check,
    reviewer.check,
    change_note.check,
)


def refusals(body: Mapping[str, Any], rules: Rules) -> list[Concern]:
    """What is wrong wherever it would run: the team's own rules broken, examples that contradict their own tool."""
    contradicted = (concern for concern in examples.check(body) if concern.severity == ERROR)
    return list(islice((*lint.check(body, rules), *contradicted), MOST))


def concerns(body: Mapping[str, Any], *, first: bool = False) -> list[Concern]:
    """What would fail or looks wrong in a body that can be stored, in the order of the checks.

    The ``first`` version of a bundle changes nothing, so it owes no change note.
    """
    checks = [check for check in CHECKS if not (first and check is change_note.check and not _has_note(body))]
    found = (concern for check in checks for concern in check(body))
    unproven = (concern for concern in examples.check(body) if concern.severity == WARNING)
    return list(islice((each for some in (found, unproven) for each in some), MOST))


def _has_note(body: Mapping[str, Any]) -> bool:
    return bool((body.get("metadata") or {}).get("change"))
