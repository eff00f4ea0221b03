"""What a room asks of its agent's kill switches, once however many regions show it."""

from __future__ import annotations

from typing import Any

from incidents.views.visit import Visit
from rollouts import switchboard
from rollouts.switchboard import Row

SHOWN_STOPS = 4
#: Beside the press stand the scopes that one can choose; more of them are a link away.
SHOWN_SWITCHES = 6


def stop_rows(visit: Visit) -> list[Row]:
    """Every switch of the incident's agent; none while it names no agent."""
    deployment = visit.incident.deployment
    if deployment is None:
        return []
    return visit.once("switches", lambda: switchboard.rows([deployment], visit.at)[deployment.pk])


def standing(visit: Visit) -> dict[str, Any]:
    """The stops that stand, and what is known of each switch before it is pressed."""
    rows = stop_rows(visit)
    free = [row for row in rows if row.engaged is None]
    stopped = {row.scope for row in rows if row.engaged}
    return {
        "whole_free": "whole" not in stopped,
        "writes_free": not stopped & {"whole", "writes"},
        "stopped_rows": [row for row in rows if row.engaged],
        "switches": free[:SHOWN_SWITCHES],
        "more_switches": max(len(free) - SHOWN_SWITCHES, 0),
    }
