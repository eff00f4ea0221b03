"""The environments of one bundle beside each other, and beside what was pushed last (R131, R136). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rollouts.body import PARTS

#: What the newest version is called beside the environments: pushes come from the team's repository.
PUSHED = "pushed last"
#: Pairs worth telling apart, nearest to customers first.
PAIRS = (("staging", "prod"), ("dev", "prod"), ("dev", "staging"), (PUSHED, "prod"), (PUSHED, "staging"))


@dataclass(frozen=True, slots=True)
class Running:
    """One version as far as comparing needs it; ``snapshot`` is its model's."""

    number: int
    label: str
    behaviour_digest: str
    part_digests: Mapping[str, str]
    snapshot: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Two places whose versions behave differently: in which parts, and whether by the model's snapshot."""

    one: str
    other: str
    one_label: str
    other_label: str
    parts: tuple[str, ...]
    snapshots: tuple[str, str] | None

    @property
    def alarming(self) -> bool:
        """staging proves nothing about prod unless both run one snapshot (R131)."""
        return self.snapshots is not None and {self.one, self.other} == {"staging", "prod"}

    @property
    def sentence(self) -> str:
        told = (
            f"{self.one} ({self.one_label}) and {self.other} ({self.other_label}) differ in {' and '.join(self.parts)}."
        )
        if self.snapshots is None:
            return told
        return f"{told} Models: {self.snapshots[0]} and {self.snapshots[1]}."

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "parts": list(self.parts), "snapshots": self.snapshots and list(self.snapshots)}


def differences(running: Mapping[str, Running]) -> list[Difference]:
    """Every pair of ``running`` (environment, or :data:`PUSHED`, → version) that behaves differently."""
    found = []
    for one, other in PAIRS:
        if one not in running or other not in running:
            continue
        before, after = running[one], running[other]
        if before.behaviour_digest == after.behaviour_digest:
            continue
        parts = parts_between(before.part_digests, after.part_digests)
        snapshots = (before.snapshot, after.snapshot) if before.snapshot != after.snapshot else None
        found.append(Difference(one, other, before.label, after.label, tuple(parts), snapshots))
    return found


def parts_between(one: Mapping[str, str], other: Mapping[str, str]) -> Sequence[str]:
    """The parts whose digests differ, in the order of the body."""
    return [name for name in PARTS if one.get(name) != other.get(name)]
