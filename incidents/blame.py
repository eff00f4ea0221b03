"""Words that stop a postmortem from looking further, each with what could be written instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: What is said → what to write instead.
WORDS: tuple[tuple[str, str], ...] = (
    (r"human[- ]error", "Say what made the act easy, and what did not stop it."),
    (r"(?:operator|user|pilot)[- ]error", "Say what made the act easy, and what did not stop it."),
    (r"should(?:n't| not)? have", "Say what was known then, and what would have made the better act the easy one."),
    (r"ought to have", "Say what was known then, and what would have made the better act the easy one."),
    (r"careless(?:ly|ness)?", "Say what the work looked like at that moment: alarms, time, tools."),
    (r"negligen(?:t|ce|tly)", "Say what the work looked like at that moment: alarms, time, tools."),
    (r"failed to", "Say what happened instead: “the check did not run”."),
    (r"neglected to", "Say what happened instead: “the check did not run”."),
    (r"forgot(?:ten)?(?: to)?", "Name the system: “nothing reminded of it”."),
    (r"obvious(?:ly)?", "Leave it out: it was not obvious then."),
    (r"clearly", "Leave it out, or link what shows it."),
    (r"(?:his|her|their) fault", "Name the condition, not the person."),
    (r"to blame", "Name the condition, not the person."),
    (r"incompeten(?:t|ce)", "Say what was missing: training, access, time."),
    (r"sloppy|lazy|stupid(?:ly)?", "Describe what was done, without judging it."),
)
PATTERNS = tuple((re.compile(rf"\b{said}\b", re.IGNORECASE), instead) for said, instead in WORDS)
#: What makes the person before it the subject of a failure.
FAILURE = (
    r"(?:forgot|missed|broke|failed|neglected|ignored|overlooked|misread|misunderstood|caused|botched|messed up|"
    r"deployed the wrong|pushed the wrong|pressed the wrong|did not|didn't|should(?:n't| not)? have|was wrong|"
    r"made a mistake|was (?:careless|negligent|too slow|late))"
)
NAME_SUGGESTION = "Name the role or the system: “the migration had no lock timeout”, not “X forgot”."
MOST_PEOPLE = 100
MOST_FOUND = 20


def blame(text: str, people: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """(what is said, what to write instead), each phrase once, at most ``MOST_FOUND`` of a text."""
    seen: set[str] = set()
    for said, instead in _found(text, people):
        if said.lower() not in seen and len(seen) < MOST_FOUND:
            seen.add(said.lower())
            yield said, instead


def _found(text: str, people: Iterable[str]) -> Iterator[tuple[str, str]]:
    names = _names(people)
    if names:
        subject = re.compile(rf"\b(?:{'|'.join(names)})\b[^.!?\n]{{0,40}}?\b{FAILURE}\b")
        for match in subject.finditer(text):
            yield " ".join(match[0].split()), NAME_SUGGESTION
    for pattern, instead in PATTERNS:
        for match in pattern.finditer(text):
            yield match[0], instead


def _names(people: Iterable[str]) -> list[str]:
    """Whole names and first names, as patterns, the longest first."""
    found: set[str] = set()
    for name in list(people)[:MOST_PEOPLE]:
        whole = name.strip()[:100]
        if len(whole) >= 2:
            found.add(whole)
        first = whole.split(" ")[0]
        if len(first) >= 3 and first[:1].isupper() and first.lower() not in {"the", "person", "team"}:
            found.add(first)
    return [re.escape(name) for name in sorted(found, key=len, reverse=True)]
