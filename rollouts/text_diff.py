"""Two texts, word by word. Pure, and quick on prompts of tens of thousands of words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

#: A word or one sign with the space behind it: spaces of their own would match everywhere and mean nothing.
_WORDS = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
#: Beyond this many words a rewritten stretch is shown as replaced whole; difflib would take seconds.
_LONGEST_STRETCH = 20_000

Opcode = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text that is the same, added or removed."""

    kind: str
    text: str


def compare_texts(old: str, new: str) -> list[Span]:
    """Spans whose same and removed ones spell ``old``, same and added ones ``new``; neighbours differ in kind.

    Lines are matched first and words only inside lines that moved, so that an edit in a long prompt costs little.
    """
    if not old and not new:
        return []
    old_lines, new_lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    spans: list[tuple[str, str]] = []
    for tag, i1, i2, j1, j2 in matched(old_lines, new_lines):
        before, after = "".join(old_lines[i1:i2]), "".join(new_lines[j1:j2])
        if tag == "equal":
            spans.append(("same", before))
        else:
            spans.extend(_compare_words(before, after))
    return list(_joined(spans))


def matched(old: Sequence[str], new: Sequence[str]) -> Iterator[Opcode]:
    """difflib's opcodes, after setting aside what both begin and end with."""
    start, end = 0, 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    if start:
        yield "equal", 0, start, 0, start
    middle_old, middle_new = old[start : len(old) - end], new[start : len(new) - end]
    if len(middle_old) > _LONGEST_STRETCH or len(middle_new) > _LONGEST_STRETCH:
        yield "replace", start, len(old) - end, start, len(new) - end
    elif middle_old or middle_new:
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, middle_old, middle_new).get_opcodes():
            yield tag, i1 + start, i2 + start, j1 + start, j2 + start
    if end:
        yield "equal", len(old) - end, len(old), len(new) - end, len(new)


def count_words(spans: Iterable[Span], kind: str) -> int:
    """How many words the spans of one kind hold; signs alone are no words."""
    return sum(len(re.findall(r"\w+", span.text)) for span in spans if span.kind == kind)


def _compare_words(old: str, new: str) -> Iterator[tuple[str, str]]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    for tag, i1, i2, j1, j2 in matched(before, after):
        if tag == "equal":
            yield "same", "".join(before[i1:i2])
            continue
        if i2 > i1:
            yield "removed", "".join(before[i1:i2])
        if j2 > j1:
            yield "added", "".join(after[j1:j2])


def _joined(spans: Iterable[tuple[str, str]]) -> Iterator[Span]:
    """Between two same spans at most one removed and one added span, in that order."""
    removed, added, same = "", "", ""
    for kind, text in spans:
        if kind == "same":
            if removed:
                yield Span("removed", removed)
            if added:
                yield Span("added", added)
            removed, added, same = "", "", same + text
            continue
        if same:
            yield Span("same", same)
            same = ""
        if kind == "removed":
            removed += text
        else:
            added += text
    for kind, text in (("same", same), ("removed", removed), ("added", added)):
        if text:
            yield Span(kind, text)
