"""What the resolver reads from PostgreSQL: one consistent set of reads, on a connection of its own."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import orjson
from django.db import connections
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from rollouts.resolver.snapshot import Activation, Deployment, Key, Snapshot, Stop, Version

#: Of each bundle the newest versions, and all that a deployment could go back to, can be asked for by number.
KEPT_VERSIONS = 50
CONNECT_SECONDS = 3
#: What Django's settings may hold that libpq does not know.
NOT_LIBPQ = frozenset({"pool", "isolation_level", "server_side_binding", "assume_role", "cursor_factory", "context"})

FINGERPRINT = """
SELECT (SELECT string_agg(name || ':' || epoch, ',' ORDER BY name) FROM rollouts_environment),
       (SELECT count(*) || ':' || coalesce(sum(last_number), 0) FROM rollouts_bundle),
       (SELECT count(*) FROM rollouts_deployment)
"""
KEYS = "SELECT digest, environment, expires_at FROM accounts_resolverkey WHERE revoked_at IS NULL ORDER BY id"
EPOCHS = "SELECT name, epoch FROM rollouts_environment"
BUNDLES = "SELECT id, key, last_number FROM rollouts_bundle"
DEPLOYMENTS = """
SELECT d.id, d.bundle_id, d.environment_id, v.number, d.stack, a.id, a.epoch, a.at
FROM rollouts_deployment d
LEFT JOIN rollouts_bundleversion v ON v.id = d.active_id
LEFT JOIN LATERAL (
    SELECT id, epoch, at FROM rollouts_activation WHERE deployment_id = d.id ORDER BY id DESC LIMIT 1
) a ON true
"""
STOPS = """
SELECT k.deployment_id, k.scope, coalesce(nullif(s.fallback, ''), k.fallback), s.engaged_at, s.id
FROM rollouts_stop s JOIN rollouts_killswitch k ON k.id = s.kill_switch_id
WHERE s.released_at IS NULL
"""
VERSIONS = """
SELECT v.bundle_id, v.number, v.label, v.digest, v.body::text, v.created_at
FROM unnest(%s::bigint[], %s::int[]) AS wanted (bundle_id, number)
JOIN rollouts_bundleversion v USING (bundle_id, number)
"""

type Connection = AsyncConnection[TupleRow]


def connection_parameters() -> dict[str, Any]:
    """Django's own connection settings, as libpq wants them."""
    given = connections["default"].settings_dict
    named = {
        "dbname": given["NAME"],
        "user": given["USER"],
        "password": given["PASSWORD"],
        "host": given["HOST"],
        "port": given["PORT"],
    }
    options = {name: value for name, value in given["OPTIONS"].items() if name not in NOT_LIBPQ}
    return {name: value for name, value in named.items() if value} | options


async def connect(purpose: str) -> Connection:
    """An autocommit connection that PostgreSQL lists as ``lastgood <purpose>``. Raises psycopg.Error."""
    parameters = {"connect_timeout": CONNECT_SECONDS, "keepalives_idle": 10} | connection_parameters()
    return await AsyncConnection.connect(autocommit=True, **parameters, application_name=f"lastgood {purpose}")


class Reader:
    """Reads snapshots over one connection after another; versions never change, so each is read once."""

    def __init__(self) -> None:
        self._versions: dict[tuple[int, int], Version] = {}

    async def fingerprint(self, connection: Connection) -> tuple[Any, ...]:
        """Differs whenever a snapshot would, keys aside."""
        row = await (await connection.execute(FINGERPRINT)).fetchone()
        return row or ()

    async def keys(self, connection: Connection) -> tuple[Key, ...]:
        return tuple(Key(*row) for row in await rows(connection, KEYS))

    async def snapshot(self, connection: Connection) -> tuple[tuple[Any, ...], Snapshot]:
        """The fingerprint and everything served, as of one moment."""
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            fingerprint = await self.fingerprint(connection)
            keys = await self.keys(connection)
            epochs: dict[str, int] = dict(await rows(connection, EPOCHS))
            bundles = await rows(connection, BUNDLES)
            deployments = await rows(connection, DEPLOYMENTS)
            stops = await rows(connection, STOPS)
            await self._read_versions(connection, bundles, deployments)
        bundle_keys = {bundle_id: key for bundle_id, key, _ in bundles}
        stops_of: dict[int, list[Stop]] = {}
        for deployment_id, *stop in stops:
            stops_of.setdefault(deployment_id, []).append(Stop(*stop))
        versions: dict[str, dict[int, Version]] = {key: {} for key in bundle_keys.values()}
        for (bundle_id, number), version in self._versions.items():
            versions[bundle_keys[bundle_id]][number] = version
        return fingerprint, Snapshot(
            epochs=epochs,
            deployments=tuple(
                Deployment(
                    id=deployment_id,
                    key=bundle_keys[bundle_id],
                    environment=environment,
                    active=self._versions[bundle_id, number] if number is not None else None,
                    stops=tuple(stops_of.get(deployment_id, ())),
                    activation=Activation(*activation) if activation[0] is not None else None,
                )
                for deployment_id, bundle_id, environment, number, _, *activation in deployments
            ),
            versions=versions,
            keys=keys,
        )

    async def _read_versions(
        self, connection: Connection, bundles: list[TupleRow], deployments: list[TupleRow]
    ) -> None:
        """Fetch what is wanted and not held, drop what is held and not wanted."""
        wanted = {
            (bundle_id, number)
            for bundle_id, _, last in bundles
            for number in range(max(1, last - KEPT_VERSIONS + 1), last + 1)
        }
        for _, bundle_id, _, active, stack, *_ in deployments:
            wanted.update((bundle_id, number) for number in stack)
            if active is not None:
                wanted.add((bundle_id, active))
        self._versions = {place: version for place, version in self._versions.items() if place in wanted}
        missing = [place for place in wanted if place not in self._versions]
        if missing:
            found = await rows(connection, VERSIONS, [[place[0] for place in missing], [place[1] for place in missing]])
            for bundle_id, number, label, digest, body, created_at in found:
                self._versions[bundle_id, number] = version_of(number, label, digest, body, created_at)


def version_of(number: int, label: str, digest: str, body: str, created_at: datetime) -> Version:
    """``body`` is JSON text: PostgreSQL keeps ``1.0`` a float, and the parser keeps it so."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:  # nested deeper than this parser goes
        parsed = json.loads(body)
    return Version(number, label, digest, parsed if isinstance(parsed, dict) else {}, created_at)


async def rows(connection: Connection, query: str, parameters: list[Any] | None = None) -> list[TupleRow]:
    cursor = await connection.execute(query.encode(), parameters)
    return await cursor.fetchall()
