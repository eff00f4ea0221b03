"""The environment epoch: one counter that every runtime, stream and cache goes by."""

from __future__ import annotations

from django.db import connection

#: NOTIFY channel; the payload is ``<environment> <epoch>``.
CHANNEL = "lastgood_epoch"

# One statement and so one round trip: every flip waits for it.
_BUMP = """
WITH bumped AS (UPDATE rollouts_environment SET epoch = epoch + 1 WHERE name = %s RETURNING name, epoch)
SELECT epoch, pg_notify(%s, name || ' ' || epoch) FROM bumped
"""


def bump(environment: str) -> int:
    """Count one change of what ``environment`` serves, and wake its resolvers at commit. Locks the row until then."""
    with connection.cursor() as cursor:
        cursor.execute(_BUMP, [environment, CHANNEL])
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"No such environment: {environment}")
    return int(row[0])
