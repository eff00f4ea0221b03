"""A model named by an alias, which its provider may move while nothing here changes (R131). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.push_checks.base import Concern
from rollouts.snapshots import is_pinned

CHECK = "model_alias"


def check(body: Mapping[str, Any]) -> Iterator[Concern]:
    snapshot = str(body["model"]["snapshot"])
    if not is_pinned(snapshot):
        said = f"{snapshot} is an alias that its provider may move. dev may use it; staging and prod refuse it."
        yield Concern(CHECK, "model.snapshot", said)
