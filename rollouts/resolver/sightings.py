"""Who fetched what, and when first: kept in memory while answering, handed over about once a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rollouts.resolver.state import Environment, Served
from rollouts.resolver.stop_sightings import StopSightings

#: Instances remembered at a time. Beyond it new ones are answered but not counted.
LIMIT = 20_000
#: A caller that names no bundle in a bulk request counts for each of them, up to this many.
BULK_BUNDLES = 25
SEEN_RESOLUTION = timedelta(seconds=5)
FORGOTTEN_AFTER = timedelta(minutes=10)


#: A key's last use is written at most this often, as for tokens.
USE_RESOLUTION = timedelta(minutes=5)


class Uses:
    """When each resolver key was used last. Only keys that are known count, so there are no more than those."""

    def __init__(self) -> None:
        self._last: dict[str, datetime] = {}
        self._told: dict[str, datetime] = {}

    def used(self, digest: str, at: datetime) -> None:
        """The key with this digest opened a door."""
        self._last[digest] = at

    def take(self) -> dict[str, datetime]:
        """What is worth writing since the last take."""
        long_ago = datetime.min.replace(tzinfo=UTC)
        due = {
            digest: at for digest, at in self._last.items() if at - self._told.get(digest, long_ago) >= USE_RESOLUTION
        }
        self._told |= due
        return due

    def give_back(self, due: dict[str, datetime]) -> None:
        """These could not be written: they stay to be told."""
        for digest in due:
            self._told.pop(digest, None)


class Sighting:
    """One instance of one deployment. ``mark`` is the epoch at which what it fetched became active."""

    __slots__ = ("deployment", "fetched_at", "mark", "name", "number", "previous_seen_at", "region", "seen_at", "told")

    def __init__(self, deployment: int, name: str, region: str, number: int | None, mark: int, at: datetime) -> None:
        self.deployment = deployment
        self.name = name
        self.region = region
        self.number = number
        self.mark = mark
        self.fetched_at = at
        self.seen_at = at
        self.previous_seen_at: datetime | None = None
        self.told: datetime | None = None


class Sightings:
    """Bounded memory of instances; recording one costs a dictionary look-up. Names and regions come ``storable``."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.uncounted = 0
        self.uses = Uses()
        self.stops = StopSightings(limit)
        self._known: dict[tuple[int, str], Sighting] = {}
        self._dirty: dict[tuple[int, str], Sighting] = {}

    def fetched(self, served: Served, name: str, region: str, at: datetime) -> None:
        """``name`` was given the active version (or the off-state in its place) of ``served``."""
        if served.number is None:
            return
        place = (served.deployment, name)
        seen = self._known.get(place)
        if seen is None:
            self._first(served, served.number, name, region, at)
        elif seen.mark < served.mark or (seen.mark == served.mark and seen.number != served.number):
            seen.previous_seen_at = seen.seen_at
            seen.number, seen.mark, seen.fetched_at, seen.seen_at = served.number, served.mark, at, at
            seen.region = region or seen.region
            self._dirty[place] = seen
        else:
            self._seen(place, seen, at)

    def fetched_all(self, environment: Environment, only: str, name: str, region: str, at: datetime) -> None:
        """``name`` was given every flag; it counts for the bundle ``only``, or for all when there are few."""
        if only:
            served = environment.bundles.get(only)
            if served is not None:
                self.fetched(served, name, region, at)
        elif len(environment.bundles) <= BULK_BUNDLES:
            for served in environment.bundles.values():
                self.fetched(served, name, region, at)

    def touched(self, served: Served, name: str, at: datetime) -> None:
        """``name`` asked for something else of ``served``: it lives, but fetched no version."""
        place = (served.deployment, name)
        if (seen := self._known.get(place)) is not None:
            self._seen(place, seen, at)

    def take(self) -> list[Sighting]:
        """What changed since the last take."""
        changed = list(self._dirty.values())
        self._dirty.clear()
        for seen in changed:
            seen.told = seen.seen_at
        return changed

    def give_back(self, changed: list[Sighting]) -> None:
        """These could not be written: they stay to be told."""
        for seen in changed:
            self._dirty.setdefault((seen.deployment, seen.name), seen)

    def forget(self, now: datetime) -> None:
        """Drop whoever has not asked for a while."""
        stale = [place for place, seen in self._known.items() if now - seen.seen_at > FORGOTTEN_AFTER]
        for place in stale:
            del self._known[place]
            self._dirty.pop(place, None)

    def _first(self, served: Served, number: int, name: str, region: str, at: datetime) -> None:
        if len(self._known) >= self.limit:
            self.uncounted += 1
            return
        seen = Sighting(served.deployment, name, region, number, served.mark, at)
        place = (served.deployment, name)
        self._known[place] = self._dirty[place] = seen

    def _seen(self, place: tuple[int, str], seen: Sighting, at: datetime) -> None:
        seen.seen_at = at
        if seen.told is None or at - seen.told >= SEEN_RESOLUTION:
            self._dirty[place] = seen


def storable(text: str, length: int) -> str:
    """``text`` as PostgreSQL can hold it: no NUL, not too long."""
    return text.replace("\0", "")[:length]
