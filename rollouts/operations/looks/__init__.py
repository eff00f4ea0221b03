"""What the machine finds when it looks at a leg: one file per leg that has something to count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rollouts.models import RollbackLeg
from rollouts.operations.looks import baseline, downstream, experiment, flip, histories, prefix_cache, semantic_cache
from rollouts.operations.looks.base import Found, Look

LOOKS: dict[str, Callable[[RollbackLeg, datetime], Look]] = {
    "flip": flip.look,
    "prefix_cache": prefix_cache.look,
    "semantic_cache": semantic_cache.look,
    "histories": histories.look,
    "baseline": baseline.look,
    "experiment": experiment.look,
    "downstream": downstream.look,
}
#: Their connectors carry what a person decides, so a step is planned with each decision.
PLANNED_BY_DECISION = frozenset({"histories", "baseline", "experiment", "downstream"})

__all__ = ["LOOKS", "PLANNED_BY_DECISION", "Found", "Look"]
