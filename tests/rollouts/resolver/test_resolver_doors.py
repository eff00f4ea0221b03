"""A real resolver process over a real database: flips, stops, keys, bad input."""

from __future__ import annotations

from tests.factories.rollouts import activate, version
from tests.resolvers import wait_until
from tests.rollouts.resolver.conftest import World


def test_a_promoted_version_is_served_whole(world: World) -> None:
    made = version("whole", "1.0.0")
    activate(made)
    value = wait_until(lambda: world.value("whole"), "the version is served")
    assert value["version"] == {"number": 1, "label": "1.0.0", "digest": made.digest}
