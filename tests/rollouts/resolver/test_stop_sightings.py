"""Which instance fetched which stop, when: in memory, then in PostgreSQL, then as how long containing took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollouts.models import Containment, Instance, Stop, StopFetch
from rollouts.operations import kill_switch
from rollouts.resolver import snapshot
from rollouts.resolver.snapshot import Activation, Deployment, Snapshot, Version
from rollouts.resolver.state import Caller, Environment, Served, build
from rollouts.resolver.stop_propagation import standing, watched
from rollouts.resolver.stop_sightings import StopSightings
from tests.factories.accounts import person
from tests.factories.rollouts import running
from tests.resolvers import wait_until
from tests.rollouts.resolver.conftest import World

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def environment(*scopes: str, bundles: int = 1) -> Environment:
    """prod with bundles of which each has those stops, numbered from 1."""
    version = Version(1, "1.0.0", "d" * 64, {}, NOON)
    stops = tuple(snapshot.Stop(scope, "a human", NOON, number) for number, scope in enumerate(scopes, 1))
    rows = tuple(
        Deployment(index, f"bundle-{index}", "prod", version, stops, Activation(1, 1, NOON)) for index in range(bundles)
    )
    return build(Snapshot({"prod": 1}, rows, {}, ()), secret="s", now=NOON).environments["prod"]


def served(*scopes: str) -> Served:
    return environment(*scopes).bundles["bundle-0"]


def taken(sightings: StopSightings) -> list[tuple[Any, ...]]:
    return [(s.stop, s.name, s.fetched_at, s.previous_seen_at) for s in sightings.take()]


def test_the_first_fetch_of_a_stop_is_kept_with_when_the_instance_was_heard_before() -> None:
    sightings = StopSightings()
    sightings.answered(served(), "a", Caller(), at(0))
    sightings.answered(served("whole"), "a", Caller("eu"), at(2))
    sightings.answered(served("whole"), "a", Caller(), at(4))
    sightings.answered(served("whole"), "new", Caller(), at(4))
    assert taken(sightings) == [(1, "a", at(2), at(0)), (1, "new", at(4), None)]
    assert taken(sightings) == []


def test_two_stops_are_fetched_each_by_itself() -> None:
    sightings = StopSightings()
    sightings.answered(served("writes"), "a", Caller(), at(0))
    sightings.answered(served("writes", "whole"), "a", Caller(), at(9))
    assert taken(sightings) == [(1, "a", at(0), None), (2, "a", at(9), at(0))]


@pytest.mark.parametrize(
    ("scope", "caller", "whole_flag", "counts"),
    [
        ("whole", Caller(), False, True),
        ("writes", Caller(), True, True),
        ("writes", Caller(), False, False),
        ("tool:refund", Caller(), False, False),
        ("region:eu", Caller("eu"), False, True),
        ("region:eu", Caller("us"), True, False),
        ("cohort:beta", Caller("", "beta"), True, True),
        ("cohort:beta", Caller("", "all"), True, False),
    ],
)
def test_a_fetch_counts_for_the_stops_that_its_answer_took_into_account(
    scope: str, caller: Caller, whole_flag: bool, counts: bool
) -> None:
    sightings = StopSightings()
    sightings.answered(served(scope), "a", caller, at(0), whole_flag=whole_flag)
    assert bool(sightings.take()) == counts


def test_every_flag_at_once_counts_for_what_is_stopped_or_for_the_bundle_named() -> None:
    sightings = StopSightings()
    both = environment("whole", bundles=2)
    sightings.answered_all(both, "bundle-1", "a", Caller(), at(0))
    assert len(sightings.take()) == 1
    sightings.answered_all(environment("whole"), "", "b", Caller(), at(0))
    sightings.answered_all(environment("whole"), "unknown", "c", Caller(), at(0))
    assert [told.name for told in sightings.take()] == ["b"]


def test_memory_is_bounded_and_forgets() -> None:
    sightings = StopSightings(limit=1)
    for name in ("a", "b"):
        sightings.answered(served("whole"), name, Caller(), at(0))
    untold = sightings.take()
    assert [told.name for told in untold] == ["a"]
    sightings.give_back(untold)
    assert sightings.take() == untold
    sightings.forget(at(1), standing=())
    sightings.answered(served("whole"), "a", Caller(), at(2))
    assert taken(sightings) == [(1, "a", at(2), None)]


def test_a_stop_is_watched_for_six_hours() -> None:
    state = build(
        Snapshot(
            {"prod": 1},
            (
                Deployment(
                    1,
                    "a",
                    "prod",
                    Version(1, "1", "d", {}, NOON),
                    tuple(snapshot.Stop(f"tool:{n}", "", at(-3600 * n), n) for n in (1, 7)),
                    Activation(1, 1, NOON),
                ),
            ),
            {},
            (),
        ),
        secret="s",
        now=NOON,
    )
    assert standing(state) == {1, 7}
    assert watched(state, NOON) == {1}
    assert standing(None) == watched(None, NOON) == frozenset()


def containment(stop: Stop, reached: int) -> Containment | None:
    return Containment.objects.filter(stop=stop, reached=reached).first()


def test_a_stop_is_followed_until_every_living_instance_has_fetched_it(world: World) -> None:
    where = running("1.0.0", key="stopped-slowly")
    wait_until(lambda: world.value("stopped-slowly.version"), "the version is served")
    names = [f"slow-{number}" for number in range(4)]
    for name in names:
        world.value("stopped-slowly", {"instance": name, "region": "eu"})
    wait_until(lambda: Instance.objects.filter(deployment=where).count() == 4, "the instances are written")
    Instance.objects.filter(name=names[3]).update(last_seen_at=NOON - timedelta(days=300))  # long gone
    stop = kill_switch.stop(where, actor=person())
    wait_until(lambda: world.value("stopped-slowly.enabled") is False, "the stop is served")
    world.value("stopped-slowly", {"instance": names[0]})
    world.value("stopped-slowly.enabled", {"instance": names[1]})
    world.value("stopped-slowly", {"instance": "slow-newcomer"})
    partly = wait_until(lambda: containment(stop, 2), "two have fetched it")
    assert (partly.instances, partly.is_complete) == (3, False)
    with world.resolver.client(world.key) as client:
        client.post("/ofrep/v1/evaluate/flags", json={"context": {"instance": names[2], "bundle": "stopped-slowly"}})
    whole = wait_until(lambda: containment(stop, 3), "the third has too")
    assert whole.is_complete
    assert 0 < whole.p50_ms <= whole.p95_ms <= whole.max_ms < 20_000
    assert set(StopFetch.objects.filter(stop=stop).values_list("name", flat=True)) == {*names[:3], "slow-newcomer"}


def test_a_stopped_region_waits_for_that_region_only(world: World) -> None:
    where = running("1.0.0", key="two-regions")
    wait_until(lambda: world.value("two-regions.version"), "the version is served")
    for region in ("eu", "us"):
        world.value("two-regions", {"instance": f"{region}-1", "region": region})
    wait_until(lambda: Instance.objects.filter(deployment=where).count() == 2, "the instances are written")
    stop = kill_switch.stop(where, actor=person(), scope="region:eu")
    wait_until(lambda: world.value("two-regions.enabled", {"region": "eu"}) is False, "the stop is served")
    world.value("two-regions", {"instance": "us-1", "region": "us"})
    world.value("two-regions", {"instance": "eu-1", "region": "eu"})
    found = wait_until(lambda: containment(stop, 1), "eu has fetched it")
    assert found.instances == 1
