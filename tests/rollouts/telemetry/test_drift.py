"""What telemetry and instances show running that should not, each difference one row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.actors import Actor
from rollouts.models import BundleVersion, Deployment, Drift, DriftWatch, Instance
from rollouts.operations import drift as kept
from rollouts.operations.roll_back import roll_back
from rollouts.tasks import look_for_drift
from rollouts.telemetry import drift, questions
from rollouts.telemetry.facts import ChangeKind
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.rollouts import KEY, activate, deployment, running, version
from tests.spans import span, told
from workbench.celery import scheduled

pytestmark = pytest.mark.django_db
PINNED = "claude-sonnet-4-5-20250929"


def runs(number: int, at: datetime, **said: Any) -> None:
    """``number`` runs of the agent in prod, a second apart; ``said`` is what they name."""
    names = {
        "version": "lastgood.version", "asked": "gen_ai.request.model", "answered": "gen_ai.response.model",
        "key": "lastgood.bundle",
    }  # fmt: skip
    about = {"lastgood.bundle": KEY, "gen_ai.operation.name": "chat"} | {names[name]: it for name, it in said.items()}
    spans = [span(about, at=at + timedelta(seconds=index)) for index in range(number)]
    told(*spans, resource={"deployment.environment.name": "prod", "service.instance.id": "i-1"})


def looked(clock: MovableClock, minutes: float = 5) -> list[Drift]:
    """What is known after the clock has gone on and looked."""
    clock.advance(minutes=minutes)
    drift.sweep()
    return list(Drift.objects.order_by("pk"))


@pytest.fixture
def live(noon: datetime, clock: MovableClock) -> Deployment:
    """1.0.0 and then 2.0.0 in prod, long enough ago that the flip has settled."""
    where = running("1.0.0", "2.0.0")
    clock.advance(minutes=30)
    drift.sweep()
    return where


def test_it_is_on_the_schedule_and_may_run_twice() -> None:
    assert scheduled()["rollouts.look_for_drift"]["task"] == look_for_drift.name
    look_for_drift()
    look_for_drift()


def test_what_runs_as_it_should_leaves_nothing(live: Deployment, noon: datetime, clock: MovableClock) -> None:
    runs(3, noon + timedelta(minutes=31), version="2.0.0", asked=PINNED, answered=PINNED)
    runs(3, noon + timedelta(minutes=31), version="2.0.0", answered=f"us.anthropic.{PINNED}-v1:0")
    assert looked(clock) == []


def test_a_pinned_model_that_another_answers_for_is_drift_with_a_run_that_shows_it(
    live: Deployment, noon: datetime, clock: MovableClock
) -> None:
    at = noon + timedelta(minutes=31)
    runs(3, at, version="2.0.0", asked=PINNED, answered="claude-sonnet-4-6")
    (row,) = looked(clock)
    assert (row.kind, row.declared, row.seen, row.count) == ("model", PINNED, "claude-sonnet-4-6", 3)
    assert (row.first_seen_at, row.last_seen_at) == (at, at + timedelta(seconds=2))
    assert row.day is not None
    assert questions.spans_of(row.day, row.trace_id), "the number opens its evidence"
    assert row.sentence == f"claude-sonnet-4-6 answered where {PINNED} is pinned."


def test_looking_again_counts_nothing_twice_and_goes_on_counting(
    live: Deployment, noon: datetime, clock: MovableClock
) -> None:
    runs(3, noon + timedelta(minutes=31), version="2.0.0", answered="other-2026-01-01")
    looked(clock)
    DriftWatch.objects.update(due_at=noon)  # as if two clocks had claimed one after the other
    drift.sweep()
    runs(2, noon + timedelta(minutes=35), version="2.0.0", answered="other-2026-01-01")
    (row,) = looked(clock)
    assert row.count == 5


def test_two_clocks_never_look_at_one_deployment_at_once(live: Deployment, clock: MovableClock) -> None:
    clock.advance(minutes=2)
    assert len(DriftWatch.objects.claim(clock.now())) == 2, "staging's and prod's"
    assert drift.sweep() == 0, "held by the other one"
    clock.advance(minutes=2)
    assert drift.sweep() == 2, "who died lets go"


def test_a_clock_that_was_stopped_for_hours_catches_up(live: Deployment, noon: datetime, clock: MovableClock) -> None:
    runs(2, noon + timedelta(hours=1), version="2.0.0", answered="other-2026-01-01")
    runs(2, noon + timedelta(hours=9), version="2.0.0", answered="other-2026-01-01")
    (row,) = looked(clock, minutes=10 * 60)
    assert row.count == 2, "six hours at once"
    drift.sweep()
    assert Drift.objects.get().count == 4


def test_one_deployment_that_cannot_be_looked_at_does_not_stop_the_others(
    live: Deployment, noon: datetime, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = running("1.0.0", key="another")
    drift.sweep()
    Deployment.objects.filter(pk=other.pk).update(activated_at=datetime.max.replace(tzinfo=noon.tzinfo))
    runs(1, noon + timedelta(minutes=31), version="2.0.0", answered="other-2026-01-01")
    assert len(looked(clock)) == 1
    assert DriftWatch.objects.get(deployment=other).error
    assert "could not be looked for" in caplog.text


def test_an_alias_that_its_provider_moved_is_a_surprise_counted_once(noon: datetime, clock: MovableClock) -> None:
    made = version(label="1.0.0", model={"snapshot": "gpt-5"})
    where = deployment(environment="dev")
    promote_to_dev(made)
    resource = {"deployment.environment.name": "dev"}

    def answered(by: str, at: datetime) -> None:
        about = {"lastgood.bundle": KEY, "gen_ai.request.model": "gpt-5", "gen_ai.response.model": by}
        told(*[span(about, at=at + timedelta(seconds=n)) for n in range(4)], resource=resource)

    answered("gpt-5-2026-08-01", noon - timedelta(days=3))
    drift.sweep()
    answered("gpt-5-2026-08-01", noon + timedelta(minutes=1))
    assert looked(clock) == []
    answered("gpt-5-2026-11-17", noon + timedelta(minutes=6))
    (row,) = looked(clock)
    assert (row.kind, row.about, row.declared, row.seen) == ("alias", "gpt-5", "gpt-5-2026-08-01", "gpt-5-2026-11-17")
    answered("gpt-5-2026-11-17", noon + timedelta(minutes=11))
    looked(clock)
    assert kept.surprises([where], clock.now()) == 1
    clock.advance(days=31)
    assert kept.surprises([where], clock.now()) == 0, "those of the last 30 days"


def promote_to_dev(made: BundleVersion) -> None:
    activate(made, "dev")


def test_a_version_that_is_not_the_active_one_is_drift_once_the_flip_has_settled(
    live: Deployment, noon: datetime, clock: MovableClock
) -> None:
    flipped = clock.now()
    activate(version(label="3.0.0"))
    runs(5, flipped + timedelta(minutes=5), version="2.0.0", answered=PINNED)
    runs(2, flipped + timedelta(minutes=15), version="2.0.0", answered=PINNED)
    (row,) = looked(clock, minutes=20)
    assert (row.kind, row.declared, row.seen, row.count, row.unreviewed) == ("version", "3.0.0", "2.0.0", 2, False)


@pytest.mark.parametrize(("named", "shown"), [("9.9.9-hotfix", "9.9.9-hotfix"), ("2.1.0-rc", "2.1.0-rc")])
def test_a_version_that_nobody_pushed_or_promoted_here_is_unreviewed(
    live: Deployment, noon: datetime, clock: MovableClock, named: str, shown: str
) -> None:
    version(label="2.1.0-rc")
    runs(1, noon + timedelta(minutes=31), version=named, answered=PINNED)
    (row,) = looked(clock)
    assert (row.seen, row.unreviewed) == (shown, True)


def test_runs_that_name_no_version_are_unknown_and_no_drift(
    live: Deployment, noon: datetime, clock: MovableClock
) -> None:
    runs(3, noon + timedelta(minutes=31))
    assert looked(clock) == []


def test_an_instance_that_holds_another_version_is_drift_too(
    live: Deployment, noon: datetime, clock: MovableClock
) -> None:
    clock.advance(minutes=3)
    for name, number in (("eu-1", 1), ("eu-2", 2)):
        Instance.objects.create(
            deployment=live, name=name, version_number=number, fetched_at=noon, last_seen_at=clock.now()
        )
    (row,) = looked(clock, minutes=0)
    assert (row.kind, row.seen, row.source, row.count) == ("version", "1.0.0", "instances", 1)


def test_a_badge_goes_with_the_next_flip_and_after_a_day(live: Deployment, noon: datetime, clock: MovableClock) -> None:
    runs(1, noon + timedelta(minutes=31), version="2.0.0", answered="other-2026-01-01")
    looked(clock)
    assert kept.open_in([live], clock.now())
    roll_back(live, actor=person())
    assert not kept.open_in([live], clock.now())


def test_drift_stands_among_what_changed_before_a_run_went_bad(
    live: Deployment, noon: datetime, clock: MovableClock
) -> None:
    runs(1, noon + timedelta(minutes=31), version="9.9.9-hotfix", answered=PINNED)
    looked(clock)
    change = next(each for each in questions.changes_before(KEY, "prod", clock.now()) if each.kind == ChangeKind.DRIFT)
    assert change.sentence == "9.9.9-hotfix ran while 2.0.0 was active. Unreviewed: nothing here ever put it there."
    assert change.at == noon + timedelta(minutes=31)


def test_reports_by_a_person_or_a_token_are_kept_as_theirs(live: Deployment) -> None:
    actor: Actor = person()
    kept.report(live, {"prompt": {"text": "Edited at night."}}, actor=actor)
    assert Drift.objects.get().source == actor.label
