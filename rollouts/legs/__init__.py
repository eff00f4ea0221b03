"""The seven legs of a rollback: what a text revert leaves behind, and whether it applies here. Pure.

A leg reads the two versions and says where it stands the moment the pointer has moved. Only the flip is done by
code so far; the others are a person's to do or to waive by name, each with a sentence saying what there is to do.
"""

from __future__ import annotations

from collections.abc import Callable

from rollouts.legs import baseline, downstream, experiment, flip, histories, prefix_cache, semantic_cache
from rollouts.legs.base import Change, Plan

#: In the order people walk them.
LEGS: dict[str, Callable[[Change], Plan]] = {
    "flip": flip.plan,
    "prefix_cache": prefix_cache.plan,
    "semantic_cache": semantic_cache.plan,
    "histories": histories.plan,
    "baseline": baseline.plan,
    "experiment": experiment.plan,
    "downstream": downstream.plan,
}

__all__ = ["LEGS", "Change", "Plan"]
