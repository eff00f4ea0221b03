"""What the bad version did to the world while it was live: listed, since no rollback undoes it (R071)."""

# ruff: noqa: S608 (what is put into the statement is of this package)
from __future__ import annotations

from datetime import datetime, timedelta

from rollouts.models import RollbackLeg
from rollouts.operations.looks.base import WITHIN, Found, Look, live_since, rows, taken, within

#: Runs in flight go on calling tools, and telemetry comes in batches: so long it is counted again, so often.
LATE, AGAIN = timedelta(hours=1), timedelta(minutes=5)
NAMED = 50
STATEMENT = f"""
    SELECT tool_name, count(*) FILTER (WHERE tool_succeeded IS NOT FALSE), count(*) FILTER (WHERE NOT tool_succeeded),
        max(at)
    FROM rollouts_invocation WHERE {WITHIN} AND version_number = ANY(%(numbers)s) AND tool_name <> ''
    GROUP BY tool_name ORDER BY 2 DESC, 1 LIMIT {NAMED}"""


def look(leg: RollbackLeg, at: datetime) -> Look:
    """Calls of each tool that did not fail. Which of them only read, a bundle does not say; so all are listed."""
    rollback = leg.rollback
    since = live_since(rollback)
    found = rows(STATEMENT, within(leg, since, at, numbers=taken(rollback)))
    done = [
        {"tool": tool, "calls": calls, "failed": failed, "last_at": last.isoformat()}
        for tool, calls, failed, last in found
    ]
    total = sum(each["calls"] for each in done)
    label = rollback.from_version.label
    listed = ", ".join(f"{each['calls']} {each['tool']}" for each in done[:6])
    text = (
        f"Not undone: {listed}, called by {label} since {since:%d %b %H:%M} UTC."
        if total
        else f"No stored span shows a tool that {label} called since {since:%d %b %H:%M} UTC."
    )
    told = leg.evidence.filter(kind="count", data__has_key="not_undone").order_by("-pk")
    before = told.values_list("count", flat=True)
    again = at + AGAIN if at < rollback.flipped_at + LATE else None
    kept = Found("count", text, total, {"not_undone": done}, "stored telemetry, tool calls of the version")
    return Look([kept], changed=(before.first() or 0) != total, again_at=again)
