"""Every claim of a page with what speaks for it. Pure: content in, evidence items out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: A Markdown link's text and address; or an address by itself; or one of our references.
LINK = re.compile(r"\[([^\]\[]{1,300})\]\(\s*<?([^)\s>]{1,1000})>?[^)]{0,300}\)")
BARE = re.compile(r"(?<![(\"'\w])(https?://[^\s)>\]]{1,1000})")
#: The label and address of each kind of evidence that the record itself gives.
Item = dict[str, Any]


def evidence_of(content: Mapping[str, Any]) -> list[Item]:
    """``{"claim", "kind", "text", "url"}`` per piece: ``claim`` names what it stands behind, such as
    ``variables.prompt``; ``url`` is null where the evidence is only described."""
    return [*_of_the_record(content), *_of_texts(content), *_of_rows(content)]


def links_in(text: str) -> list[tuple[str, str]]:
    """(words, address) of the links in a text, in their order."""
    found = [(match.start(), match[1], match[2]) for match in LINK.finditer(text)]
    inside = [(match.start(), match.end()) for match in LINK.finditer(text)]
    found += [
        (match.start(), match[1], match[1])
        for match in BARE.finditer(text)
        if not any(start <= match.start() < end for start, end in inside)
    ]
    return [(words, address) for _, words, address in sorted(found)]


def _item(claim: str, kind: str, text: str, url: str | None) -> Item:
    return {"claim": claim, "kind": kind, "text": text, "url": url}


def _of_the_record(content: Mapping[str, Any]) -> Iterator[Item]:
    bundle = content.get("bundle") or {}
    if bundle.get("diff_url"):
        yield _item("bundle", "diff", bundle.get("summary") or "", bundle["diff_url"])
    for rollback in content.get("rollbacks") or ():
        text = f"{rollback['from']['label']} → {rollback['to']['label']}"
        yield _item("rollbacks", "rollback", text, None)
    for case in content.get("cases") or ():
        yield _item("cases", "case", case["title"], None)


def _of_texts(content: Mapping[str, Any]) -> Iterator[Item]:
    for name, section in (content.get("sections") or {}).items():
        for words, address in links_in(section.get("text") or ""):
            yield _item(f"sections.{name}", "link", words, address)


def _of_rows(content: Mapping[str, Any]) -> Iterator[Item]:
    for row in content.get("variables") or ():
        yield from _described(f"variables.{row['variable']}", row.get("evidence") or "")
    for row in content.get("layers") or ():
        yield from _described(f"layers.{row['layer']}", row.get("evidence") or "")
    for number, row in enumerate(content.get("factors") or (), 1):
        yield from _described(f"factors.{number}", row.get("evidence") or "")
    for number, row in enumerate(content.get("inferences") or (), 1):
        if row.get("trace_id"):
            url = f"/i/{content['header']['ref']}/runs/{row.get('day')}/{row['trace_id']}/"
            yield _item(f"inferences.{number}", "run", row["trace_id"], url)


def _described(claim: str, text: str) -> Iterator[Item]:
    if not text.strip():
        return
    found = links_in(text)
    for words, address in found:
        yield _item(claim, "link", words, address)
    if not found:
        yield _item(claim, "text", text.strip()[:300], None)
