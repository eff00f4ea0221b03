"""Who depends on a bundle and who consumes what it makes, as the spans of one window name themselves."""

# ruff: noqa: S608 (what is put into the statement are expressions of this package)
from __future__ import annotations

from typing import Any

from rollouts.telemetry.facts import Party, Reach, Window
from rollouts.telemetry.postgres import OF_ONE_ENVIRONMENT, parameters, rows_of

#: The newest spans that are looked at; of a window with very many, they name everybody who is there.
MOST = 20_000
#: Operations of the GenAI conventions are the agent's own work. A span of the bundle without one is somebody else's.
CONSUMER = "operation = ''"
STATEMENT = f"""
    WITH span AS (
        SELECT found.* FROM unnest(%(environments)s::text[]) AS told(environment), LATERAL (
            SELECT day, trace_id, bundle_key, operation, failed, attributes->>'gen_ai.agent.name' AS agent,
                attributes->>'service.name' AS service
            FROM rollouts_invocation WHERE {OF_ONE_ENVIRONMENT} ORDER BY at DESC LIMIT {MOST}
        ) AS found
    )
    SELECT 'agent', span.agent, count(*), count(*) FILTER (WHERE run.failed)
    FROM span JOIN rollouts_agentrun AS run USING (day, trace_id, bundle_key)
    WHERE span.operation = 'invoke_agent' AND span.agent <> '' GROUP BY span.agent
    UNION ALL
    SELECT 'consumer', service, count(*), count(*) FILTER (WHERE failed)
    FROM span WHERE service <> '' GROUP BY service HAVING bool_and({CONSUMER})
    ORDER BY 4 DESC, 3 DESC, 2"""


def reach(window: Window) -> Reach:
    """One statement, over the newest spans of the window."""
    found: list[tuple[Any, ...]] = rows_of(STATEMENT, parameters(window))
    of = {kind: tuple(Party(*row[1:]) for row in found if row[0] == kind) for kind in ("agent", "consumer")}
    return Reach(of["agent"], of["consumer"])
