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


def choose(
    name: str, environment: str, deployments: Sequence[dict[str, Any]], incidents: Sequence[dict[str, Any]]
) -> Choice:
    """The variant of ``name`` with an open incident (the worst, then the newest), else the one activated last.

    ``deployments`` come with the one activated last first. A name with a dot is a variant's own; a name nobody
    knows is left to the server to refuse.
    """
    here = [row for row in deployments if row["environment"] == environment and row["agent"] == name]
    keys = [str(row["deployment"]).rpartition("/")[0] for row in here]
    if "." in name or not keys:
        return Choice(name, "named")
    if len(keys) == 1:
        return Choice(keys[0], "the only variant")
    worst = sorted(
        (row for row in incidents if row.get("deployment") in {f"{key}/{environment}" for key in keys}),
        key=lambda row: str(row.get("opened_at")),
        reverse=True,
    )
    worst.sort(key=lambda row: str(row.get("severity")))
    if worst:
        chosen, why = str(worst[0]["deployment"]).rpartition("/")[0], f"it has the open incident {worst[0]['ref']}"
    else:
        chosen, why = keys[0], "it was activated last"
    return Choice(chosen, why, tuple(key for key in keys if key != chosen))
