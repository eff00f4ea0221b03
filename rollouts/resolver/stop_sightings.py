"""Who fetched which stop, and when first: kept in memory while answering, handed over about once a second.

A flip is fetched with the version it made active; a stop has no version, so it is remembered by itself: every stop
that the answer given to an instance took into account counts as fetched by it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from rollouts.resolver.snapshot import Stop
from rollouts.resolver.state import Caller, Environment, Served

#: Instances remembered at a time, and first fetches that wait to be written.
LIMIT = 20_000
REGION_LENGTH = 64


@dataclass(frozen=True, slots=True)
class StopSighting:
    """One instance's first fetch of one stop; ``previous_seen_at`` is when this process heard it before."""

    stop: int
    name: str
    region: str
    fetched_at: datetime
    previous_seen_at: datetime | None


class StopSightings:
    """Bounded memory; while nothing is stopped, recording costs one dictionary write."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._heard: dict[tuple[int, str], datetime] = {}
        self._fetched: set[tuple[int, str]] = set()
        self._untold: list[StopSighting] = []

    def answered(self, served: Served, name: str, caller: Caller, at: datetime, *, whole_flag: bool = True) -> None:
        """``name`` was answered for ``served``: by the bundle, or (``whole_flag`` False) only by whether it is on.

        Whether writes or a tool are stopped stands in the bundle alone.
        """
        place = (served.deployment, name)
        previous = self._heard.get(place)
        if previous is None and len(self._heard) >= self.limit:
            return
        self._heard[place] = at
        for stop in served.stops:
            if (stop.id, name) in self._fetched or not applies(stop, caller, whole_flag=whole_flag):
                continue
            self._fetched.add((stop.id, name))
            region = caller.region.replace("\0", "")[:REGION_LENGTH]  # as PostgreSQL can hold it
            self._untold.append(StopSighting(stop.id, name, region, at, previous))

    def answered_all(self, environment: Environment, only: str, name: str, caller: Caller, at: datetime) -> None:
        """``name`` was given every flag; it counts for the bundle ``only``, or for every stopped one without."""
        if only:
            if (served := environment.bundles.get(only)) is not None:
                self.answered(served, name, caller, at)
            return
        for served in environment.stopped:
            self.answered(served, name, caller, at)

    def take(self) -> list[StopSighting]:
        """The first fetches since the last take."""
        untold, self._untold = self._untold, []
        return untold

    def give_back(self, untold: list[StopSighting]) -> None:
        """These could not be written: they stay to be told."""
        self._untold = untold + self._untold

    def forget(self, before: datetime, standing: Collection[int]) -> None:
        """Drop whoever was last heard before that moment, and stops that stand no more."""
        self._heard = {place: at for place, at in self._heard.items() if at >= before}
        self._fetched = {pair for pair in self._fetched if pair[0] in standing}


def applies(stop: Stop, caller: Caller, *, whole_flag: bool) -> bool:
    """Whether what ``caller`` was given took ``stop`` into account."""
    kind, _, value = stop.scope.partition(":")
    if kind == "region":
        return caller.region == value
    if kind == "cohort":
        return caller.cohort == value
    return kind == "whole" or whole_flag
