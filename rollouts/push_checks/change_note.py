"""The change note: what changed, which bench should move, by how much (R126). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.push_checks.base import Concern

CHECK = "change_note"
_ASKED = {
    "what": "what changed",
    "expect": "which bench should move",
    "threshold": "from which value on it worked",
}


def check(body: Mapping[str, Any]) -> Iterator[Concern]:
    """What the note leaves open. A body without any note says so once."""
    metadata = body.get("metadata") or {}
    note = metadata.get("change")
    if not note:
        yield Concern(CHECK, "metadata.change", f"No change note: say {', '.join(_ASKED.values())}.")
        return
    for name, question in _ASKED.items():
        value = note.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield Concern(CHECK, f"metadata.change.{name}", f"The change note does not say {question}.")
