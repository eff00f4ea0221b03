"""Writing down what was fetched: instances, and how long the newest flips and the stops took to reach them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg

from accounts import clock
from rollouts.resolver import stop_propagation
from rollouts.resolver.reading import Connection, connect
from rollouts.resolver.sightings import FORGOTTEN_AFTER, Sighting, Sightings
from rollouts.resolver.state import State
from rollouts.resolver.stop_sightings import StopSighting

#: NOTIFY channel; the payload is the id of a deployment whose propagation or containment row changed.
CHANNEL = "lastgood_propagation"
FLUSH_SECONDS = 1.0
LONGEST_DELAY = 10.0
WRITE_SECONDS = 5.0
WATCHED = timedelta(minutes=10)
#: A flip counts the instances seen this long before it.
ALIVE = timedelta(seconds=60)
KEPT = timedelta(days=1)
FORGET_EVERY = timedelta(minutes=1)

UPSERT = """
INSERT INTO rollouts_instance AS known
    (deployment_id, name, region, version_number, epoch, fetched_at, last_seen_at, previous_seen_at)
SELECT seen.* FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[], %s::bigint[],
                          %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
    AS seen (deployment_id, name, region, version_number, epoch, fetched_at, last_seen_at, previous_seen_at)
JOIN rollouts_deployment ON rollouts_deployment.id = seen.deployment_id
ORDER BY seen.deployment_id, seen.name
ON CONFLICT (deployment_id, name) DO UPDATE SET
    region = coalesce(nullif(excluded.region, ''), known.region),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at),
    previous_seen_at = CASE WHEN excluded.epoch > known.epoch
        THEN least(greatest(known.last_seen_at, excluded.previous_seen_at), excluded.fetched_at)
        ELSE known.previous_seen_at END,
    fetched_at = CASE WHEN excluded.epoch > known.epoch THEN excluded.fetched_at
        WHEN excluded.epoch = known.epoch THEN least(known.fetched_at, excluded.fetched_at)
        ELSE known.fetched_at END,
    version_number = CASE WHEN excluded.epoch >= known.epoch THEN excluded.version_number
        ELSE known.version_number END,
    epoch = greatest(known.epoch, excluded.epoch)
"""
MEASURE = """
INSERT INTO rollouts_propagation AS known
    (activation_id, instances, reached, p50_ms, p95_ms, max_ms, measured_at)
SELECT a.id, count(i.id), count(i.ms),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY i.ms),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY i.ms),
       max(i.ms), %(now)s
FROM rollouts_activation a
LEFT JOIN LATERAL (
    SELECT id, CASE WHEN epoch >= a.epoch
               THEN greatest(0, extract(epoch FROM fetched_at - a.at) * 1000)::float8 END AS ms
    FROM rollouts_instance
    WHERE deployment_id = a.deployment_id
      AND CASE WHEN epoch >= a.epoch THEN previous_seen_at ELSE last_seen_at END >= a.at - %(alive)s
) i ON true
WHERE a.id = ANY(%(activations)s)
GROUP BY a.id
ON CONFLICT (activation_id) DO UPDATE SET
    instances = excluded.instances, reached = excluded.reached, p50_ms = excluded.p50_ms,
    p95_ms = excluded.p95_ms, max_ms = excluded.max_ms, measured_at = excluded.measured_at
WHERE (known.instances, known.reached, known.p50_ms, known.p95_ms, known.max_ms)
    IS DISTINCT FROM (excluded.instances, excluded.reached, excluded.p50_ms, excluded.p95_ms, excluded.max_ms)
RETURNING (SELECT deployment_id FROM rollouts_activation WHERE id = known.activation_id)
"""
USED = """
UPDATE accounts_resolverkey SET last_used_at = greatest(last_used_at, used.at)
FROM unnest(%s::text[], %s::timestamptz[]) AS used (digest, at) WHERE accounts_resolverkey.digest = used.digest
"""
PRUNE = "DELETE FROM rollouts_instance WHERE last_seen_at < %s"

logger = logging.getLogger(__name__)


class Scribe:
    """Takes sightings to PostgreSQL on a connection of its own; answering never waits for it."""

    def __init__(self, sightings: Sightings, state: Callable[[], State | None]) -> None:
        self._sightings = sightings
        self._state = state
        self._connection: Connection | None = None
        self._forgot_at: datetime | None = None
        self._measured: frozenset[int] = frozenset()
        self._measured_stops: tuple[frozenset[int], int] = (frozenset(), -1)

    async def run(self) -> None:
        """Until cancelled. What could not be written is kept and tried again, ever more patiently."""
        delay = FLUSH_SECONDS
        try:
            while True:
                await asyncio.sleep(delay)
                try:
                    await self.flush()
                    delay = FLUSH_SECONDS
                except (psycopg.Error, OSError, TimeoutError) as error:
                    logger.warning("Sightings are kept until PostgreSQL takes them: %s", error)
                    delay = min(delay * 2, LONGEST_DELAY)
                    await self._disconnect()
        finally:
            await self._disconnect()

    async def flush(self) -> None:
        """Write what changed; raises psycopg.Error, OSError or TimeoutError and then has lost nothing."""
        now = clock.now()
        changed, used = self._sightings.take(), self._sightings.uses.take()
        stopped = self._sightings.stops.take()
        try:
            await self._write_stops(stopped, now)
            recent = recent_activations(self._state(), now)
            if changed or recent != self._measured:
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._write(changed, recent, now)
                self._measured = recent
            if used:
                async with asyncio.timeout(WRITE_SECONDS):
                    await (await self._connected()).execute(USED, [list(used), list(used.values())])
            if self._forgot_at is None or now - self._forgot_at > FORGET_EVERY:
                await self._forget(now)
        except BaseException:
            self._sightings.give_back(changed)
            self._sightings.uses.give_back(used)
            self._sightings.stops.give_back(stopped)
            raise

    async def _write_stops(self, stopped: list[StopSighting], now: datetime) -> None:
        """First fetches of stops, before the instances: a first fetch looks up when its instance was seen before.

        Standing stops are measured again every minute, since whoever falls silent is no longer waited for.
        """
        watched = (stop_propagation.watched(self._state(), now), now.minute)
        if stopped or (watched[0] and watched != self._measured_stops):
            connection = await self._connected()
            async with asyncio.timeout(WRITE_SECONDS), connection.transaction():
                for deployment in await stop_propagation.write(connection, stopped, watched[0], now):
                    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(deployment)])
        self._measured_stops = watched

    async def _write(self, changed: list[Sighting], recent: frozenset[int], now: datetime) -> None:
        connection = await self._connected()
        async with connection.transaction():
            if changed:
                await connection.execute(UPSERT, columns(changed))
            if recent:
                measured = await connection.execute(
                    MEASURE, {"now": now, "alive": ALIVE, "activations": sorted(recent)}
                )
                for (deployment,) in await measured.fetchall():
                    await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(deployment)])

    async def _forget(self, now: datetime) -> None:
        self._sightings.forget(now)
        self._sightings.stops.forget(now - FORGOTTEN_AFTER, stop_propagation.standing(self._state()))
        await (await self._connected()).execute(PRUNE, [now - KEPT])
        self._forgot_at = now

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect("resolver sightings")
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def recent_activations(state: State | None, now: datetime) -> frozenset[int]:
    """The newest flip of each deployment, where it is recent enough to be watched."""
    if state is None:
        return frozenset()
    return frozenset(
        served.activation.id
        for environment in state.environments.values()
        for served in environment.bundles.values()
        if served.activation is not None and now - served.activation.at <= WATCHED
    )


def columns(changed: list[Sighting]) -> list[list[object]]:
    """The sightings as one array per column of ``UPSERT``."""
    values = [
        (s.deployment, s.name, s.region, s.number, s.mark, s.fetched_at, s.seen_at, s.previous_seen_at) for s in changed
    ]
    return [list(column) for column in zip(*values, strict=True)]
