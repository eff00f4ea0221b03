"""One lane per process: whatever is queued shares a transaction, and each sender is answered after its commit.

There is no timer: the lane takes what waits, commits, answers, takes again. Under load the groups grow by
themselves; alone, a request waits for nobody. One thread, one connection outside Django's pool.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.db.models import Q

from accounts import clock
from incidents.models import Integration
from incidents.operations.receive import Answer, Request, receive

logger = logging.getLogger(__name__)
type Work[Asked, Got] = Callable[[Sequence[Asked]], Sequence[Got]]

#: A group is bounded by its alerts, so a large body travels alone.
ALERTS_PER_GROUP = 512
BYTES_PER_GROUP = 4 * 1024 * 1024
#: More than this many bytes waiting and we say so, instead of growing.
BYTES_WAITING = 256 * 1024 * 1024
#: After the database failed, senders are told at once for this long (seconds) before it is tried again.
PAUSE = 0.5
CONNECT_TIMEOUT = 3
#: The lane comes back from PostgreSQL a dozen times per group; with Python's 5 ms it would each time wait that long
#: for the event loop's thread, which is reading bodies meanwhile.
SWITCH_INTERVAL = 0.0002
STATEMENT_TIMEOUT_MS = 8000


class Away(Exception):
    """The database cannot be reached, or the lane is full: nothing is stored, the sender should come again."""


@dataclass(frozen=True, slots=True)
class Key:
    """An integration as its door knows it."""

    id: int
    source: str
    settings: dict[str, object]


@dataclass(slots=True, eq=False)
class Job[Asked, Got]:
    """Something the lane's thread does for one request; ``future`` gets the result, or Away."""

    asked: Asked
    future: Future[Got] = field(default_factory=Future)


class Lane:
    """Start it once per process, give it requests, stop it."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._requests: deque[Job[Request, Answer]] = deque()
        self._lookups: deque[Job[str, Key | None]] = deque()
        self._bytes = 0
        self._stopping = False
        self._away_until = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """A second call does nothing."""
        with self._wake:
            if self._thread is None:
                self._stopping = False
                sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))
                self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
                self._thread.start()

    def stop(self, within: float = 10) -> None:
        """Finish what waits, then end; at most ``within`` seconds."""
        with self._wake:
            thread, self._thread, self._stopping = self._thread, None, True
            self._wake.notify()
        if thread is not None:
            thread.join(within)

    def store(self, request: Request) -> Future[Answer]:
        """The answer, once it is committed; raises Away when too much waits."""
        job = Job[Request, Answer](request)
        with self._wake:
            if self._bytes + len(request.body) > BYTES_WAITING:
                raise Away
            self._bytes += len(request.body)
            self._requests.append(job)
            self._wake.notify()
        return job.future

    def find(self, digest: str) -> Future[Key | None]:
        """The integration whose key has this digest."""
        job = Job[str, Key | None](digest)
        with self._wake:
            self._lookups.append(job)
            self._wake.notify()
        return job.future

    # -- the thread ------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        use_own_connection()
        try:
            while True:
                with self._wake:
                    while not (self._requests or self._lookups or self._stopping):
                        self._wake.wait()
                    if self._stopping and not (self._requests or self._lookups):
                        return
                    lookups = list(self._lookups)
                    self._lookups.clear()
                    group = self._take()
                if lookups:
                    self._answer(lookups, look_up)
                if group:
                    self._answer(group, receive)
        finally:
            connections[DEFAULT_DB_ALIAS].close()

    def _take(self) -> list[Job[Request, Answer]]:
        """The next group: at least one, more only while they stay small together."""
        group: list[Job[Request, Answer]] = []
        alerts = size = 0
        while self._requests:
            request = self._requests[0].asked
            alerts += max(1, len(request.reading.signals))
            size += len(request.body)
            if group and (alerts > ALERTS_PER_GROUP or size > BYTES_PER_GROUP):
                break
            job = self._requests.popleft()
            self._bytes -= len(request.body)
            if job.future.set_running_or_notify_cancel():  # who gave up waiting was told to come again
                group.append(job)
        return group

    def _answer[Asked, Got](self, jobs: list[Job[Asked, Got]], work: Work[Asked, Got]) -> None:
        """Do the work and hand out what came of it. The lane outlives whatever a group fails with."""
        try:
            got = self._try(work, [job.asked for job in jobs])
        except Exception as error:
            if not isinstance(error, Away):
                logger.exception("Intake could not store a group")
            for job in jobs:
                with contextlib.suppress(Exception):  # cancelled lookups
                    job.future.set_exception(Away())
            return
        for job, result in zip(jobs, got, strict=True):
            with contextlib.suppress(Exception):
                job.future.set_result(result)

    def _try[Asked, Got](self, work: Work[Asked, Got], asked: Sequence[Asked]) -> Sequence[Got]:
        """Twice, since a connection may be stale or a transaction the victim of a deadlock."""
        if time.monotonic() < self._away_until:
            raise Away
        connection = connections[DEFAULT_DB_ALIAS]
        for attempt in (1, 2):
            try:
                if connection.connection is None:
                    connection.ensure_connection()
                    with connection.cursor() as cursor:
                        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [str(STATEMENT_TIMEOUT_MS)])
                return work(asked)
            except (OperationalError, InterfaceError) as error:
                connection.close()
                if attempt == 2:
                    logger.warning("Intake cannot store: %s", error)
                    self._away_until = time.monotonic() + PAUSE
        raise Away


def use_own_connection() -> None:
    """Give this thread a connection of its own: a pool would make it wait, and hand out dead ones."""
    shared = connections[DEFAULT_DB_ALIAS]
    own = shared.copy()
    options = {name: value for name, value in shared.settings_dict["OPTIONS"].items() if name != "pool"}
    own.settings_dict = shared.settings_dict | {"OPTIONS": {"connect_timeout": CONNECT_TIMEOUT} | options}
    connections[DEFAULT_DB_ALIAS] = own


def look_up(digests: Sequence[str]) -> list[Key | None]:
    """The integrations behind these digests of keys, None where there is none or it is revoked.

    A key that was replaced is taken until its grace is over.
    """
    asked, at = set(digests), clock.now()
    found: dict[str, Key] = {}
    for row in Integration.objects.filter(Q(digest__in=asked) | Q(previous_digest__in=asked), revoked_at=None):
        key = found[row.digest] = Key(row.pk, row.source, row.settings)
        if row.previous_digest and row.previous_until and row.previous_until > at:
            found[row.previous_digest] = key
    return [found.get(digest) for digest in digests]
