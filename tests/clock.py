"""A clock that tests move: Python's by time-machine, PostgreSQL's by whoever is told the shift. It keeps ticking."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import time_machine

MONOTONIC_BEGAN = time.time() - time.monotonic()


def real_now() -> datetime:
    """The true time, whatever time-machine says: it leaves the monotonic clock alone."""
    return datetime.fromtimestamp(MONOTONIC_BEGAN + time.monotonic(), UTC)


class MovableClock:
    """``move_to`` and ``advance`` from inside a ``with``; ``told`` gets the distance from the true time each time."""

    def __init__(self, told: Callable[[timedelta], None]) -> None:
        self._told = told
        self._travel: time_machine.travel | None = None
        self._traveller: time_machine.Traveller | None = None

    def now(self) -> datetime:
        return datetime.now(UTC)

    def move_to(self, moment: datetime) -> None:
        """It is ``moment`` (with time zone) now, for this process and the database."""
        self._told(moment - real_now())
        if self._traveller is None:
            self._travel = time_machine.travel(moment, tick=True)
            self._traveller = self._travel.start()
        else:
            self._traveller.move_to(moment, tick=True)

    def advance(self, **by: float) -> None:
        """Later by ``timedelta(**by)``: ``advance(minutes=5)``."""
        self.move_to(self.now() + timedelta(**by))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._traveller = None
