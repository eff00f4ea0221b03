"""Keys of a Redis that one version wrote: found by pattern, unlinked in batches, counted."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry

from accounts.outbound import guard
from accounts.outbound.errors import Forbidden, TransportError, shortened
from rollouts.connectors.base import Answer, Job, Keep, Line, Misconfigured, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
#: Keys that one SCAN looks at, and that one UNLINK takes.
BATCH = 500
#: How often a long purge says how far it is.
KEEP_SECONDS = 5.0
#: A purge that takes longer is begun anew by the next try: what is gone is gone.
LONGEST_SECONDS = 600.0
#: Whose answers are meant: without one of these a pattern would take the good version's too.
OF_A_VERSION = ("{label}", "{number}", "{digest}")
PLACES = ("{key}", "{environment}", *OF_A_VERSION)


class _Checked(Connection):
    """Connects to checked addresses only (accounts/outbound/guard.py)."""

    def _connect(self) -> socket.socket:
        stop_at = time.monotonic() + CONNECT_SECONDS
        problem: OSError = OSError("no address")
        for ip in guard.addresses(self.host, self.port):
            try:
                made = socket.create_connection((str(ip), self.port), max(stop_at - time.monotonic(), 0.05))
            except OSError as error:
                problem = error
                continue
            made.settimeout(ANSWER_SECONDS)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        raise problem


class _CheckedTls(SSLConnection, _Checked):
    """The same behind TLS, whose certificate must name the host."""


class RedisKeys:
    name = "Redis keys"
    undo_verb = "SCAN … MATCH, UNLINK"
    legs = ("semantic_cache", "prefix_cache")
    lines = (
        Line(
            "address", "Address", "redis:// or rediss://, host, port and database, like redis://cache.internal:6379/0."
        ),
        Line("pattern", "Keys", "Needs {label}, {number} or {digest}; may hold {key}, {environment} and *."),
        Line("user", "User", "Empty: the default user.", required=False),
    )
    secret = "optional"  # noqa: S105 (says whether there is one)
    notifies = False

    def check(self, config: Mapping[str, str]) -> dict[str, str]:
        given = str(config.get("address") or "").strip()
        try:
            parts = urlsplit(given)
            port = parts.port or 6379
        except ValueError:
            raise Misconfigured("address", "That is no address.") from None
        if parts.scheme not in {"redis", "rediss"} or not parts.hostname or len(given) > 500:
            raise Misconfigured("address", "Enter an address that begins with redis:// or rediss://.")
        if parts.username or parts.password:
            raise Misconfigured("address", "Leave user and password out of the address: each has its own field.")
        database = parts.path.lstrip("/") or "0"
        if not (database.isascii() and database.isdigit() and len(database) < 4) or parts.query or parts.fragment:
            raise Misconfigured("address", "After the port comes the number of the database, like /0.")
        try:
            guard.check_port(port)
            if guard.is_numeric(parts.hostname):
                guard.check(parts.hostname, parts.hostname)
        except guard.Refused as refusal:
            raise Misconfigured("address", str(refusal)) from None
        pattern = str(config.get("pattern") or "").strip()
        if not any(place in pattern for place in OF_A_VERSION):
            raise Misconfigured("pattern", "Name the version in it by {label}, {number} or {digest}.")
        if len(pattern) > 300 or not pattern.isprintable():
            raise Misconfigured("pattern", "That pattern is too long, or holds signs nobody can see.")
        user = str(config.get("user") or "").strip()[:100]
        return {"address": given, "pattern": pattern, "user": user}

    def twice_hurts(self, settings: Settings) -> bool:
        return False  # what is gone is not taken again

    def describe(self, job: Job, settings: Settings) -> dict[str, Any]:
        return {"SCAN": pattern_of(job, settings), "then": "UNLINK", "batch": BATCH}

    def run(self, job: Job, settings: Settings, progress: dict[str, Any], keep: Keep) -> Answer:
        removed, looked = int(progress.get("removed") or 0), 0
        match = pattern_of(job, settings)
        begun = told = time.monotonic()
        with connected(settings) as client:
            cursor = -1
            while cursor != 0:
                cursor, keys = client.scan(max(cursor, 0), match=match, count=BATCH)
                looked += len(keys)
                for first in range(0, len(keys), BATCH):
                    removed += int(client.unlink(*keys[first : first + BATCH]))
                now = time.monotonic()
                if now - told > KEEP_SECONDS:
                    keep({"removed": removed})
                    told = now
                if now - begun > LONGEST_SECONDS and cursor != 0:
                    keep({"removed": removed})
                    raise TransportError(f"{removed} keys are gone; the rest did not fit into ten minutes.")
        keep({"removed": removed})
        return Answer(f"{removed} keys like {match} are gone.", removed, {"matched": looked, "pattern": match})

    def probe(self, settings: Settings) -> Answer:
        with connected(settings) as client:
            client.ping()
            return Answer(f"It answers, and holds {client.dbsize()} keys.")


def pattern_of(job: Job, settings: Settings) -> str:
    """The pattern for the bad version; what the versions are called cannot widen it."""
    match = settings.said("pattern")
    values = (job.key, job.environment, job.bad.label, str(job.bad.number), job.bad.digest)
    for place, value in zip(PLACES, values, strict=True):
        match = match.replace(place, "".join(f"\\{sign}" if sign in "*?[]^\\" else sign for sign in value))
    return match


@contextmanager
def connected(settings: Settings) -> Iterator[Any]:
    """A client of the checked machine; every failure becomes a sentence."""
    parts = urlsplit(settings.said("address"))
    pool = redis.ConnectionPool(
        connection_class=_CheckedTls if parts.scheme == "rediss" else _Checked,
        host=parts.hostname or "",
        port=parts.port or 6379,
        db=int(parts.path.lstrip("/") or 0),
        username=settings.said("user") or None,
        password=settings.secret or None,
        socket_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
        max_connections=1,
        protocol=2,
    )
    try:
        yield redis.Redis(connection_pool=pool)
    except guard.Refused as refusal:
        raise Forbidden(str(refusal)) from None
    except redis.TimeoutError:
        raise TransportError(f"No answer within {ANSWER_SECONDS:.0f} seconds.") from None
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise Forbidden(f"It refused: {shortened(str(error), 200)}") from None
    except (redis.RedisError, OSError, ValueError) as error:
        raise TransportError(f"The connection failed: {shortened(str(error) or type(error).__name__, 200)}") from None
    finally:
        pool.disconnect()
