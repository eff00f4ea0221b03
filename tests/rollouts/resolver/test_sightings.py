"""Which instance fetched what, when: in memory, then in PostgreSQL, then as the propagation of a flip."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from rollouts.models import Instance, Propagation
from rollouts.operations.roll_back import roll_back
from rollouts.resolver.ofrep import parse
from rollouts.resolver.sightings import BULK_BUNDLES, Sightings, Uses
from rollouts.resolver.snapshot import Activation, Deployment, Snapshot, Version
from rollouts.resolver.state import Environment, Served, build
from tests import databases
from tests.factories.accounts import person
from tests.factories.rollouts import running
from tests.resolvers import wait_until
from tests.rollouts.resolver.conftest import World

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def environment(number: int, mark: int, *, bundles: int = 1) -> Environment:
    """prod, whose bundles run version ``number`` since epoch ``mark``."""
    version = Version(number, f"{number}.0.0", "d" * 64, {}, NOON)
    rows = tuple(
        Deployment(index, f"bundle-{index}", "prod", version, (), Activation(mark, mark, NOON))
        for index in range(bundles)
    )
    return build(Snapshot({"prod": mark}, rows, {}, ()), secret="s", now=NOON).environments["prod"]


def served(number: int, mark: int) -> Served:
    return environment(number, mark).bundles["bundle-0"]


def taken(sightings: Sightings) -> list[tuple[Any, ...]]:
    return [(s.name, s.region, s.number, s.mark, s.fetched_at, s.seen_at, s.previous_seen_at) for s in sightings.take()]


def test_the_first_fetch_of_a_version_is_kept_and_later_ones_only_say_that_it_lives() -> None:
    sightings = Sightings()
    sightings.fetched(served(1, 5), "a", "eu", at(0))
    assert taken(sightings) == [("a", "eu", 1, 5, at(0), at(0), None)]
    sightings.fetched(served(1, 5), "a", "eu", at(2))
    assert taken(sightings) == []
    sightings.fetched(served(1, 5), "a", "eu", at(6))
    assert taken(sightings) == [("a", "eu", 1, 5, at(0), at(6), None)]


def test_a_keys_use_is_told_at_once_and_then_every_five_minutes_and_again_when_it_was_not_written() -> None:
    uses = Uses()
    uses.used("key", at(0))
    assert uses.take() == {"key": at(0)}
    uses.used("key", at(299))
    assert uses.take() == {}
    uses.used("key", at(301))
    told = uses.take()
    assert told == {"key": at(301)}
    uses.give_back(told)
    assert uses.take() == told


def test_a_flip_is_fetched_once_and_remembers_when_the_instance_was_seen_before() -> None:
    sightings = Sightings()
    sightings.fetched(served(1, 5), "a", "eu", at(0))
    sightings.fetched(served(2, 9), "a", "", at(3))
    sightings.fetched(served(2, 9), "a", "", at(4))
    assert taken(sightings) == [("a", "eu", 2, 9, at(3), at(4), at(0))]


def test_going_back_to_a_version_is_a_fetch_of_its_own() -> None:
    sightings = Sightings()
    for number, mark, second in ((1, 5, 0), (2, 9, 1), (1, 12, 2)):
        sightings.fetched(served(number, mark), "a", "", at(second))
    assert taken(sightings) == [("a", "", 1, 12, at(2), at(2), at(1))]


def test_asking_whether_it_may_run_is_not_fetching_a_version() -> None:
    sightings = Sightings()
    sightings.touched(served(1, 5), "a", at(0))
    assert taken(sightings) == []
    sightings.fetched(served(1, 5), "a", "", at(1))
    sightings.touched(served(2, 9), "a", at(2))
    assert taken(sightings) == [("a", "", 1, 5, at(1), at(2), None)]


def test_what_could_not_be_written_is_told_again_with_what_came_since() -> None:
    sightings = Sightings()
    sightings.fetched(served(1, 5), "a", "", at(0))
    failed = sightings.take()
    sightings.fetched(served(2, 9), "a", "", at(1))
    sightings.give_back(failed)
    assert [(s.number, s.mark) for s in sightings.take()] == [(2, 9)]


def test_memory_is_bounded_and_the_rest_counted() -> None:
    sightings = Sightings(limit=3)
    for name in "abcde":
        sightings.fetched(served(1, 5), name, "", at(0))
    assert (len(sightings.take()), sightings.uncounted) == (3, 2)
    sightings.forget(at(3600))
    sightings.fetched(served(1, 5), "f", "", at(3600))
    assert [s.name for s in sightings.take()] == ["f"]


def test_a_bulk_caller_counts_for_the_bundle_it_names_else_for_all_while_they_are_few() -> None:
    few, many = environment(1, 5, bundles=3), environment(1, 5, bundles=BULK_BUNDLES + 1)
    sightings = Sightings()
    sightings.fetched_all(few, "bundle-1", "a", "", at(0))
    assert len(sightings.take()) == 1
    sightings.fetched_all(few, "", "b", "", at(0))
    assert len(sightings.take()) == 3
    sightings.fetched_all(many, "", "c", "", at(0))
    sightings.fetched_all(many, "unknown", "d", "", at(0))
    assert sightings.take() == []


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ('{"instance": "i", "service.instance.id": "s", "targetingKey": "t"}', "i"),
        ('{"service.instance.id": "s", "targetingKey": "t"}', "s"),
        ('{"targetingKey": "t"}', "t"),
        ('{"instance": 7, "targetingKey": "t"}', "t"),
        ('{"instance": "a\\u0000b"}', "ab"),
        ('{"instance": "%s"}' % ("x" * 300), "x" * 200),
        ("{}", ""),
    ],
)
def test_an_instance_is_named_by_its_context(context: str, name: str) -> None:
    assert parse(b'{"context": ' + context.encode() + b"}").name == name


def test_a_region_is_compared_whole_however_much_of_it_is_stored() -> None:
    assert parse(b'{"context": {"region": "%s"}}' % (b"x" * 100)).caller.region == "x" * 100


@pytest.fixture
def told(world: World) -> Iterator[psycopg.Connection[Any]]:
    with databases.connect(world.database) as listener:
        listener.execute("LISTEN lastgood_propagation")
        yield listener


def test_a_rollback_is_followed_until_every_living_instance_has_fetched_it(
    world: World, told: psycopg.Connection[Any]
) -> None:
    where = running("1.0.0", "2.0.0", key="followed")
    wait_until(lambda: world.value("followed.version") == "2.0.0", "the version is served")
    names = [f"followed-{number}" for number in range(5)]
    for name in names:
        world.value("followed", {"instance": name, "cloud.region": "eu-west-1"})
    wait_until(lambda: Instance.objects.filter(deployment=where).count() == 5, "the instances are written")
    # One that was alive yesterday counts for nothing, and one that comes later neither.
    Instance.objects.filter(name=names[4]).update(last_seen_at=NOON - timedelta(days=300), previous_seen_at=None)
    rollback, _ = roll_back(where, actor=person())
    wait_until(lambda: world.value("followed.version") == "1.0.0", "the flip is served")
    for name in names[:2]:
        world.value("followed", {"instance": name})
    with world.resolver.client(world.key) as client:
        seen = client.post("/ofrep/v1/evaluate/flags", json={"context": {"instance": names[2], "bundle": "followed"}})
        assert seen.is_success
    world.value("followed", {"instance": "followed-newcomer"})

    def row() -> Propagation | None:
        return Propagation.objects.filter(activation=rollback.activation, reached=3).first()

    found = wait_until(row, "three have fetched it")
    assert found.instances == 4
    assert 0 < found.p50_ms <= found.p95_ms <= found.max_ms < 10_000
    first = Instance.objects.get(name=names[0])
    assert (first.version_number, first.epoch, first.region) == (1, rollback.epoch, "eu-west-1")
    assert first.previous_seen_at is not None
    assert first.fetched_at > rollback.flipped_at > first.previous_seen_at
    assert str(where.pk) in {notice.payload for notice in told.notifies(timeout=1, stop_after=1)}


def test_a_poller_that_is_told_nothing_changed_has_fetched(world: World) -> None:
    where = running("1.0.0", key="polled")
    wait_until(lambda: world.value("polled.version"), "the version is served")
    body = {"context": {"instance": "poller", "bundle": "polled"}}
    with world.resolver.client(world.key) as client:
        etag = client.post("/ofrep/v1/evaluate/flags", json={"context": {"bundle": "x"}}).headers["etag"]
        etag = client.post("/ofrep/v1/evaluate/flags", json=body).headers["etag"]
        wait_until(lambda: Instance.objects.filter(name="poller").exists(), "it is written")
        Instance.objects.filter(name="poller").delete()
        wait_until(
            lambda: (
                client.post("/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": etag}).status_code == 304
                and Instance.objects.filter(name="poller", deployment=where, version_number=1).exists()
            ),
            "it is written again from 304s alone",
        )
