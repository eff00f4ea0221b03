"""How often it failed, as the first inference of a draft tells it: by the newest finished runs of each version."""

from __future__ import annotations

import pytest

from incidents.models import InferenceRow
from incidents.operations.postmortems import draft
from rollouts.models import BundleVersion, EvalResult
from tests.factories import evals
from tests.factories.accounts import person
from tests.factories.incidents import incident
from tests.factories.rollouts import activate, deployment, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> dict[str, BundleVersion]:
    """2.1.0 is bad, 2.0.3 was good before it, 2.2.0 is the fix in service, 2.3.0 is newer and not in service."""
    labels = ("2.0.3", "2.1.0", "2.2.0")
    made = {label: version(label=label) for label in labels}
    for label in labels:
        activate(made[label])
    return made | {"2.3.0": version(label="2.3.0")}


def counted_of(bad: BundleVersion | None, *runs: tuple[BundleVersion, str]) -> tuple[int | None, ...]:
    """k of n on the version at fault and on the fix, of a draft after these runs of its one case."""
    room = incident(deployment())
    evals.case("refund", incident_ref=room.ref, bad_version=bad)
    for made, outcome in runs:
        evals.filed(made, refund=outcome)
    return counted(draft.begin(room, actor=person()).inferences.get())


def counted(row: InferenceRow) -> tuple[int | None, ...]:
    return row.failures, row.replays, row.fixed_failures, row.fixed_replays


World = dict[str, BundleVersion]


def test_the_newest_finished_run_on_the_bad_version_and_on_the_fix_in_service_count(world: World) -> None:
    found = counted_of(
        world["2.1.0"],
        (world["2.1.0"], "pass"),  # an older run says nothing any longer
        (world["2.1.0"], "fail"),
        (world["2.0.3"], "pass"),  # the one before is no fix
        (world["2.2.0"], "pass"),
        (world["2.3.0"], "fail"),  # newer, and not in service
    )
    assert found == (1, 1, 0, 1)


def test_what_was_good_before_is_no_fix(world: World) -> None:
    assert counted_of(world["2.1.0"], (world["2.1.0"], "fail"), (world["2.0.3"], "pass")) == (1, 1, None, None)


def test_the_next_version_counts_while_the_one_in_service_was_not_tried(world: World) -> None:
    assert counted_of(world["2.1.0"], (world["2.1.0"], "fail"), (world["2.3.0"], "pass")) == (1, 1, 0, 1)


def test_a_version_that_is_still_bad_in_service_is_not_its_own_fix(world: World) -> None:
    assert counted_of(world["2.2.0"], (world["2.2.0"], "fail")) == (1, 1, None, None)


def test_nothing_is_said_of_a_fix_while_nobody_knows_what_was_bad() -> None:
    made = version(label="1.0.0")  # never active, so nothing was
    assert counted_of(None, (made, "fail")) == (None, None, None, None)


def test_a_run_that_has_not_ended_counts_nothing(world: World) -> None:
    room = incident(deployment())
    case = evals.case("refund", incident_ref=room.ref, bad_version=world["2.1.0"])
    run = evals.asked(world["2.1.0"])
    EvalResult.objects.create(run=run, case=case, outcome="fail")
    assert counted(draft.begin(room, actor=person()).inferences.get()) == (None, None, None, None)
