"""Keeping the served state true: woken by LISTEN, looking every few seconds, keeping the last state otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
from django.conf import settings
from psycopg import sql

from accounts import clock
from rollouts.operations.epoch import CHANNEL
from rollouts.resolver.reading import Connection, Reader, connect
from rollouts.resolver.snapshot import Snapshot
from rollouts.resolver.state import State, build

#: A lost notice and a revoked key are noticed after this long at the latest.
LOOK_AGAIN_SECONDS = 3.0
READ_SECONDS = 10.0
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0

logger = logging.getLogger(__name__)


class Feed:
    """The one holder of the served state. ``changed`` is called with the state before and the state after."""

    def __init__(self, changed: Callable[[State | None, State], None]) -> None:
        self.state: State | None = None
        self.problem = "PostgreSQL has not been read yet."
        self.problem_since: datetime | None = None
        self._changed = changed
        self._reader = Reader()
        self._snapshot: Snapshot | None = None
        self._fingerprint: tuple[Any, ...] = ()
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. Whatever goes wrong, the last state stays served and the loop tries again."""
        delay = FIRST_DELAY
        while True:
            try:
                connection = await connect("resolver")
                try:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                    while True:
                        async with asyncio.timeout(READ_SECONDS):
                            await self.look(connection)
                        delay = FIRST_DELAY
                        async for _ in connection.notifies(timeout=LOOK_AGAIN_SECONDS, stop_after=1):
                            pass
                finally:
                    await connection.close()
            except (psycopg.Error, OSError, TimeoutError) as error:
                self._failed(f"PostgreSQL does not answer: {first_line(error)}")
            except Exception as error:  # a row that cannot be served must not end answering for all others
                logger.exception("The resolver could not take over a new state")
                self._failed(f"The newest state could not be taken over: {first_line(error)}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def look(self, connection: Connection) -> None:
        """Read again what moved: the keys always, the rest when the fingerprint differs."""
        keys = await self._reader.keys(connection)
        if self._snapshot is None or await self._reader.fingerprint(connection) != self._fingerprint:
            fingerprint, snapshot = await self._reader.snapshot(connection)
            self._take(snapshot)
            self._fingerprint = fingerprint
        elif keys != self._snapshot.keys:
            self._take(replace(self._snapshot, keys=keys))
        self.problem, self.problem_since = "", None

    def _take(self, snapshot: Snapshot) -> None:
        before = self.state
        self.state = build(snapshot, secret=settings.SECRET_KEY, now=clock.now(), before=before)
        self._snapshot = snapshot
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        self._changed(before, self.state)

    def _failed(self, sentence: str) -> None:
        self.problem = sentence
        self.problem_since = self.problem_since or clock.now()

    async def wait_until_read(self, seconds: float) -> None:
        """Until there is a state to serve, or ``seconds`` have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.state is None:
                    await self._moved.wait()

    async def wait_for_epoch(self, environment: str, epoch: int, seconds: float) -> None:
        """Until the state of ``environment`` is at least as new as ``epoch``, or ``seconds`` have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (
                    (state := self.state) is not None
                    and (known := state.environments.get(environment)) is not None
                    and known.epoch < epoch
                ):
                    await self._moved.wait()


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
