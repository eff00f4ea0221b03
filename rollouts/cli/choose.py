"""Which deployment a bare agent name means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """The deployment's key, why it was chosen, and the keys of the variants that were left alone."""

    key: str
    why: str
    others: tuple[str, ...] = ()


def candidates(name: str, environment: str, deployments: Sequence[dict[str, Any]]) -> list[str]:
    """The deployments of agent ``name`` in ``environment``, in the order given (the one activated last first)."""
    return [str(row["deployment"]) for row in deployments if row["environment"] == environment and row["agent"] == name]


def choose(name: str, variants: Sequence[str], incidents: Sequence[dict[str, Any]]) -> Choice:
    """The variant with an open incident (the worst, then the newest), else the one activated last.

    A name nobody knows is left to the server to refuse.
    """
    if not variants:
        return Choice(name, "named")
    if len(variants) == 1:
        return Choice(_key(variants[0]), "the only variant")
    worst = sorted(
        (row for row in incidents if row.get("deployment") in variants),
        key=lambda row: str(row.get("opened_at")),
        reverse=True,
    )
    worst.sort(key=lambda row: str(row.get("severity")))
    chosen, why = variants[0], "it was activated last"
    if worst:
        chosen, why = str(worst[0]["deployment"]), f"it has the open incident {worst[0]['ref']}"
    return Choice(_key(chosen), why, tuple(_key(other) for other in variants if other != chosen))


def _key(deployment: str) -> str:
    return deployment.rpartition("/")[0]
