"""How long a stop took to reach everybody: from what instances fetched, never from what was sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from rollouts.resolver.reading import Connection
from rollouts.resolver.state import State
from rollouts.resolver.stop_sightings import StopSighting

#: A stop is measured for as long as it stands, at most so long: whoever polls slowly counts too.
WATCHED = timedelta(hours=6)
#: An instance that fetched the stop counts when it was heard at most this long before the stop; a new one does not.
HEARD = timedelta(hours=2)
#: One that has not fetched it is waited for when it was heard this long before the stop, and until it has been silent
#: for as long after.
EXPECTED = timedelta(minutes=10)

FETCHED = """
INSERT INTO rollouts_stopfetch AS known (stop_id, name, region, fetched_at, previous_seen_at)
SELECT seen.stop_id, seen.name, seen.region, seen.fetched_at,
       greatest(seen.previous_seen_at, CASE WHEN i.last_seen_at < seen.fetched_at THEN i.last_seen_at END)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS seen (stop_id, name, region, fetched_at, previous_seen_at)
JOIN rollouts_stop s ON s.id = seen.stop_id
JOIN rollouts_killswitch k ON k.id = s.kill_switch_id
LEFT JOIN rollouts_instance i ON i.deployment_id = k.deployment_id AND i.name = seen.name
ORDER BY seen.stop_id, seen.name
ON CONFLICT (stop_id, name) DO UPDATE SET
    previous_seen_at = least(greatest(known.previous_seen_at, excluded.previous_seen_at),
                             least(known.fetched_at, excluded.fetched_at)),
    fetched_at = least(known.fetched_at, excluded.fetched_at)
"""
MEASURE = """
INSERT INTO rollouts_containment AS known (stop_id, instances, reached, p50_ms, p95_ms, max_ms, measured_at)
SELECT s.id, count(i.name), count(i.ms),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY i.ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY i.ms),
       max(i.ms), %(now)s
FROM rollouts_stop s
JOIN rollouts_killswitch k ON k.id = s.kill_switch_id
LEFT JOIN LATERAL (
    SELECT f.name, greatest(0, extract(epoch FROM f.fetched_at - s.engaged_at) * 1000)::float8 AS ms
    FROM rollouts_stopfetch f WHERE f.stop_id = s.id AND f.previous_seen_at >= s.engaged_at - %(heard)s
    UNION ALL
    SELECT w.name, NULL FROM rollouts_instance w
    WHERE w.deployment_id = k.deployment_id
      AND NOT EXISTS (SELECT FROM rollouts_stopfetch f WHERE f.stop_id = s.id AND f.name = w.name)
      AND CASE WHEN w.fetched_at <= s.engaged_at THEN w.last_seen_at ELSE w.previous_seen_at END
          >= s.engaged_at - %(expected)s
      AND greatest(w.last_seen_at, s.engaged_at) >= %(now)s - %(expected)s
      AND (k.scope NOT LIKE 'region:%%' OR w.region = substr(k.scope, 8))
      AND k.scope NOT LIKE 'cohort:%%'
) i ON true
WHERE s.id = ANY(%(stops)s)
GROUP BY s.id
ON CONFLICT (stop_id) DO UPDATE SET
    instances = excluded.instances, reached = excluded.reached, p50_ms = excluded.p50_ms,
    p95_ms = excluded.p95_ms, max_ms = excluded.max_ms, measured_at = excluded.measured_at
WHERE (known.instances, known.reached, known.p50_ms, known.p95_ms, known.max_ms)
    IS DISTINCT FROM (excluded.instances, excluded.reached, excluded.p50_ms, excluded.p95_ms, excluded.max_ms)
RETURNING (SELECT k.deployment_id FROM rollouts_stop s JOIN rollouts_killswitch k ON k.id = s.kill_switch_id
           WHERE s.id = known.stop_id)
"""


async def write(
    connection: Connection, stopped: list[StopSighting], watched: frozenset[int], now: datetime
) -> list[int]:
    """Keep first fetches, measure the stops they belong to and those that are watched; deployments where it differs."""
    if stopped:
        await connection.execute(FETCHED, columns(stopped))
    stops = sorted(watched | {each.stop for each in stopped})
    measured = await connection.execute(MEASURE, {"now": now, "heard": HEARD, "expected": EXPECTED, "stops": stops})
    return [deployment for (deployment,) in await measured.fetchall()]


def standing(state: State | None) -> frozenset[int]:
    """Every stop that stands."""
    if state is None:
        return frozenset()
    return frozenset(
        stop.id for each in state.environments.values() for served in each.stopped for stop in served.stops
    )


def watched(state: State | None, now: datetime) -> frozenset[int]:
    """The standing stops that are young enough to be measured still."""
    if state is None:
        return frozenset()
    return frozenset(
        stop.id
        for each in state.environments.values()
        for served in each.stopped
        for stop in served.stops
        if now - stop.engaged_at <= WATCHED
    )


def columns(stopped: list[StopSighting]) -> list[list[object]]:
    """The sightings as one array per column of ``FETCHED``."""
    rows = [(s.stop, s.name, s.region, s.fetched_at, s.previous_seen_at) for s in stopped]
    return [list(column) for column in zip(*rows, strict=True)]
