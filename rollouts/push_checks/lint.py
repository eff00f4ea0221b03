"""The rules a team set for the prompts of one bundle: length, sections, phrases that must not stand in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.push_checks.base import ERROR, Concern, Lines

CHECK = "prompt_rules"


@dataclass(frozen=True, slots=True)
class Rules:
    """``sections`` are headings (``# Refunds``) or tags (``<refunds>``); phrases are looked for whatever their case."""

    max_characters: int | None = None
    sections: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


def check(body: Mapping[str, Any], rules: Rules) -> Iterator[Concern]:
    """Each rule that the prompt's text breaks; they are the team's own, so each is an error."""
    text = str(body["prompt"]["text"])
    path = "prompt.text"
    if rules.max_characters is not None and len(text) > rules.max_characters:
        said = f"{len(text):,} characters; the rules of this bundle allow {rules.max_characters:,}."
        yield Concern(CHECK, path, said, ERROR, Lines(text).place(rules.max_characters))
    for section in rules.sections:
        if not _section(section).search(text):
            said = f"The section {section} is required and missing: write it as a heading or as <{section}>."
            yield Concern(CHECK, path, said, ERROR)
    for phrase in rules.forbidden:
        if found := re.search(re.escape(phrase), text, re.IGNORECASE):
            said = f"“{phrase}” must not stand in a prompt of this bundle."
            yield Concern(CHECK, path, said, ERROR, Lines(text).place(found.start()))


def _section(name: str) -> re.Pattern[str]:
    told = re.escape(name)
    return re.compile(
        rf"^[ \t]*(#{{1,6}}[ \t]+{told}[ \t]*#*[ \t]*\r?$|<{told}[ \t]*/?>)", re.IGNORECASE | re.MULTILINE
    )
