"""A reviewer who is the author has reviewed nothing (R124). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.push_checks.base import Concern

CHECK = "reviewer"


def check(body: Mapping[str, Any]) -> Iterator[Concern]:
    metadata = body.get("metadata") or {}
    author, reviewer = (" ".join(str(metadata.get(name) or "").split()) for name in ("author", "reviewer"))
    if reviewer and reviewer.casefold() == author.casefold():
        yield Concern(CHECK, "metadata.reviewer", f"{reviewer} wrote this and reviewed it: name somebody else.")
