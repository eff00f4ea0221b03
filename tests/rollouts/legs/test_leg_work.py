"""A leg's machine work: planned, done once, tried again, given up, resumed; and where the leg stands with that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from accounts.outbound import wire
from rollouts.models import LegEvidence, LegStep, LegWork, Rollback, RollbackLeg
from rollouts.operations import connectors, leg_plans, leg_state, leg_work, legs
from rollouts.operations.roll_back import roll_back
from rollouts.operations.roll_forward import roll_forward
from tests import hooks
from tests.factories.accounts import machine, person
from tests.factories.connectors import webhook
from tests.factories.rollouts import KEY, running

pytestmark = pytest.mark.django_db


def rolled_back(key: str = KEY) -> Rollback:
    return roll_back(running("1.0.0", "2.0.0", key=key), actor=person())[0]


def told(leg: RollbackLeg) -> list[str]:
    return list(leg.evidence.values_list("kind", flat=True))


def test_a_press_writes_no_work_and_asks_the_database_no_more_than_before() -> None:
    where = running("1.0.0", "2.0.0")
    actor = person()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        roll_back(where, actor=actor)
    assert len(asked) <= 16, [query["sql"][:80] for query in asked.captured_queries]
    assert not LegWork.objects.exists()


def test_a_leg_without_a_connector_is_counted_and_stays_a_person_s() -> None:
    made = rolled_back()
    leg_work.work_due()
    leg = made.legs.get(kind="semantic_cache")
    assert leg.state == "open"
    assert told(leg) == ["count"]
    assert leg.evidence.get().source == "stored telemetry, runs of the version"
    assert leg_work.work_due() == 0, "looked at once"


def test_a_connector_does_the_leg_and_the_answer_is_its_evidence(hook: hooks.Hook) -> None:
    hook.body = b'{"count": 1902}'
    webhook(hook)
    made = rolled_back()
    leg_work.work_due()
    leg = made.legs.get(kind="semantic_cache")
    assert (leg.state, leg.closed_by, leg.closed_by_label) == ("done", None, "Lastgood")
    assert told(leg) == ["count", "asked", "answered"]
    answered = leg.evidence.get(kind="answered")
    assert answered.count == 1902
    assert answered.took_ms is not None
    assert answered.step is not None
    assert (answered.step.state, answered.step.count) == ("done", 1902)
    (event,) = hook.events
    assert (event["leg"], event["from"]["label"], event["to"]["label"]) == ("semantic_cache", "2.0.0", "1.0.0")
    leg_work.work_due()
    assert len(hook.got) == 1


def test_a_failing_target_is_tried_again_and_then_given_up_and_retried_by_a_press(hook: hooks.Hook) -> None:
    hook.status = 500
    webhook(hook)
    made = rolled_back()
    at = clock.now()
    for _ in range(leg_work.MOST_TRIES):
        leg_work.work_due(at)
        at += timedelta(seconds=300)
    leg = made.legs.get(kind="semantic_cache")
    step = leg.steps.get()
    assert (leg.state, step.state, step.attempts) == ("failed", "failed", leg_work.MOST_TRIES)
    assert len(hook.got) == leg_work.MOST_TRIES
    assert "It answered 500" in step.error
    assert leg.evidence.filter(kind="gave_up").count() == 1
    assert len({headers["webhook-id"] for headers, _ in hook.got}) == 1, "the same message, however often"
    assert not leg_state.is_complete(made)
    hook.status = 200
    legs.retry(leg, actor=machine(Scope.CONTAIN), at=at)
    leg.refresh_from_db()
    assert leg.state == "running"
    leg_work.work_due(at)
    leg.refresh_from_db()
    assert leg.state == "done"
    assert AuditEntry.objects.filter(verb="retry leg").count() == 1


def test_the_wait_between_tries_grows_and_the_other_side_may_ask_for_more(hook: hooks.Hook) -> None:
    hook.status, hook.headers = 503, {"Retry-After": "120"}
    webhook(hook)
    made = rolled_back()
    at = clock.now()
    leg_work.work_due(at)
    step = LegStep.objects.get(leg__rollback=made)
    assert step.due_at - at == timedelta(seconds=120)
    leg_work.work_due(at + timedelta(seconds=60))
    assert len(hook.got) == 1


def test_whoever_died_in_between_is_followed_by_the_next_where_twice_hurts_nobody(hook: hooks.Hook) -> None:
    webhook(hook)
    made = rolled_back()
    at = clock.now()
    step = abandoned(made, at)
    leg_work.work_due(at + timedelta(seconds=30))
    assert hook.got == [], "somebody may still be at it"
    leg_work.work_due(at + leg_work.HOLD)
    step.refresh_from_db()
    assert (step.state, step.attempts) == ("done", 2)
    assert len(hook.got) == 1


def test_where_twice_hurts_a_person_decides_what_became_of_the_first_try(hook: hooks.Hook) -> None:
    webhook(hook, repeat="ask")
    made = rolled_back()
    at = clock.now()
    step = abandoned(made, at)
    leg_work.work_due(at + leg_work.HOLD)
    step.refresh_from_db()
    leg = made.legs.get(kind="semantic_cache")
    assert (step.state, leg.state) == ("blocked", "blocked")
    assert "no answer is known" in step.error
    assert hook.got == []
    with pytest.raises(NotPermitted):
        legs.retry(leg, actor=machine(Scope.CONTAIN))
    legs.retry(leg, actor=person(), at=at + leg_work.HOLD)
    leg_work.work_due(at + leg_work.HOLD)
    leg.refresh_from_db()
    assert leg.state == "done"
    assert len(hook.got) == 1


def test_a_failed_try_is_not_repeated_where_twice_hurts(hook: hooks.Hook) -> None:
    hook.status = 500
    webhook(hook, repeat="ask")
    made = rolled_back()
    leg_work.work_due()
    assert made.legs.get(kind="semantic_cache").state == "blocked"
    assert len(hook.got) == 1


def test_a_step_that_somebody_else_took_over_is_not_written_by_who_lost_it(hook: hooks.Hook) -> None:
    webhook(hook)
    made = rolled_back()
    at = clock.now()
    step = abandoned(made, at)
    taken: LegStep = leg_work.waiting().claim(at + leg_work.HOLD, limit=1)[0]
    leg_work.run(step, at)  # the first holder wakes up again
    step.refresh_from_db()
    assert (step.attempts, step.state, step.done_at) == (taken.attempts, "running", None)


def test_nothing_leaves_for_a_private_address_and_the_leg_says_what_to_change(hook: hooks.Hook, settings: Any) -> None:
    webhook(hook)
    made = rolled_back()
    settings.WEBHOOK_ALLOW_PRIVATE = []
    leg_work.work_due()
    leg = made.legs.get(kind="semantic_cache")
    assert leg.state == "blocked"
    assert "no public address" in leg.steps.get().error
    assert hook.got == []


def test_a_redirect_to_a_private_address_is_not_followed(hook: hooks.Hook) -> None:
    with hooks.listening() as inside:
        hook.status, hook.headers = 302, {"Location": f"http://127.0.0.1:{inside.port}/latest/meta-data"}
        webhook(hook)
        made = rolled_back()
        leg_work.work_due()
        assert "Redirects are not followed" in LegStep.objects.get(leg__rollback=made).error
        assert inside.got == []


def test_a_target_that_hangs_costs_its_time_and_no_other_leg(
    hook: hooks.Hook, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.5)
    hook.trickle = 0.1
    with hooks.listening() as other:
        webhook(hook)
        webhook(other, "prefix_cache")
        made = rolled_back()
        leg_work.work_due()
    assert made.legs.get(kind="prefix_cache").state == "done"
    assert made.legs.get(kind="semantic_cache").state == "running"
    assert "No whole answer" in LegStep.objects.get(leg__kind="semantic_cache").error


def test_what_a_person_closed_is_not_done_by_the_machine_afterwards(hook: hooks.Hook) -> None:
    hook.status = 500
    webhook(hook)
    made = rolled_back()
    at = clock.now()
    leg_work.work_due(at)
    legs.close(made.legs.get(kind="semantic_cache"), actor=person(), state="waived", reason="the cache is off")
    leg_work.work_due(at + timedelta(minutes=5))
    leg = made.legs.get(kind="semantic_cache")
    assert (leg.state, leg.steps.get().state) == ("waived", "dropped")
    assert len(hook.got) == 1


def test_a_pointer_elsewhere_follows_the_flip_and_not_a_rollback_that_was_taken_back(hook: hooks.Hook) -> None:
    webhook(hook, "flip")
    made = rolled_back()
    roll_forward(made.deployment, actor=person())
    leg_work.work_due()
    flip = made.legs.get(kind="flip")
    assert (flip.state, flip.steps.get().state) == ("done", "dropped")
    assert hook.got == []


def test_a_flip_whose_followers_fail_is_not_done(hook: hooks.Hook) -> None:
    hook.status = 500
    webhook(hook, "flip")
    made = rolled_back()
    leg_work.work_due()
    flip = made.legs.get(kind="flip")
    assert (flip.state, flip.closed_at) == ("running", None)
    hook.status = 200
    leg_work.work_due(clock.now() + timedelta(minutes=1))
    flip.refresh_from_db()
    assert (flip.state, flip.closed_by_label) == ("done", "Lastgood")


def test_only_connectors_of_this_agent_and_environment_are_asked(hook: hooks.Hook) -> None:
    other = running("1.0.0", "2.0.0", key="billing")
    webhook(hook, agent=other.bundle.agent)
    made = rolled_back()
    leg_work.work_due()
    assert not LegStep.objects.filter(leg__rollback=made).exists()
    roll_back(other, actor=person())
    leg_work.work_due()
    assert len(hook.got) == 1


def test_a_disabled_connector_blocks_what_waits_for_it(hook: hooks.Hook) -> None:
    hook.status = 500
    there = webhook(hook)
    made = rolled_back()
    at = clock.now()
    leg_work.work_due(at)
    connectors.disable(there, actor=person(SiteRole.ADMIN))
    leg_work.work_due(at + timedelta(minutes=5))
    assert made.legs.get(kind="semantic_cache").state == "blocked"


def test_verify_is_a_person_s_mark_beside_the_machine_s(hook: hooks.Hook) -> None:
    webhook(hook)
    made = rolled_back()
    leg = made.legs.get(kind="semantic_cache")
    with pytest.raises(OperationRefused, match="verify it once done"):
        legs.verify(leg, actor=person())
    leg_work.work_due()
    with pytest.raises(NotPermitted):
        legs.verify(leg, actor=machine(Scope.CONTAIN))
    actor = person()
    verified = legs.verify(leg, actor=actor)
    assert (verified.verified_by, verified.closed_by, verified.closed_by_label) == (actor.user, None, "Lastgood")
    with pytest.raises(OperationRefused, match="was verified by"):
        legs.verify(leg, actor=person())


def test_old_rollbacks_are_left_to_people(hook: hooks.Hook) -> None:
    webhook(hook)
    made = rolled_back()
    leg_work.work_due(made.flipped_at + leg_plans.LOOKED_BACK + timedelta(minutes=1))
    assert not LegWork.objects.exists()


def abandoned(made: Rollback, at: Any) -> LegStep:
    """The one step as somebody left it who was killed after sending: claimed, noted, unanswered."""
    leg_plans.begin(at)
    for work in LegWork.objects.claim(at, limit=50):
        leg_plans.look_patiently(work, at)
    (step,) = leg_work.waiting().claim(at, limit=1, hold=leg_work.HOLD)
    assert leg_work._take_up(step, at) is not None
    assert LegEvidence.objects.filter(step=step, kind="asked").exists()
    held: LegStep = step
    return held
