"""Any order of verbs: step and status follow from the times, and the record stays whole."""

from __future__ import annotations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from incidents.models import Branch, Incident, Responder, RollbackAnswer, Severity
from incidents.operations import (
    acknowledge,
    contain,
    duty,
    moves,
    note,
    reopen,
    resolve,
    severity,
    timeline,
    triage,
)
from incidents.operations.postmortems import closing
from rollouts.models import Deployment
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, page_of, signed
from tests.factories.rollouts import running

ACTORS = st.sampled_from(["mara", "jo", "token"])


@transaction.atomic
def sign(room: Incident, *, actor: Actor) -> None:
    """Write the page, publish it and have it signed; nothing of it when ``actor`` may not."""
    signed(page_of(room, actor), actor)


class Lifecycle(RuleBasedStateMachine):
    """Presses verbs at random; a refusal must leave everything as it was."""

    world: tuple[Deployment, dict[str, Actor]]

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()

    @initialize()
    def begin(self) -> None:
        deployment, self.actors = self.world
        self.room = incident(deployment)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def attempt(self, verb: object, who: str, **words: object) -> None:
        before = Incident.objects.values().get(pk=self.room.pk)
        try:
            verb(self.room, actor=self.actors[who], **words)  # type: ignore[operator]
        except OperationRefused:
            assert Incident.objects.values().get(pk=self.room.pk) == before
        else:
            moves.sweep()

    @rule(who=ACTORS)
    def acknowledge(self, who: str) -> None:
        self.attempt(acknowledge.acknowledge, who)

    @rule(who=ACTORS, answer=st.sampled_from(RollbackAnswer.values), branch=st.sampled_from(["", *Branch.values]))
    def answer(self, who: str, answer: str, branch: str) -> None:
        self.attempt(triage.answer, who, rollback_answer=answer, branch=branch)

    @rule(who=ACTORS)
    def close_triage(self, who: str) -> None:
        self.attempt(triage.close, who)

    @rule(who=ACTORS, reason=st.sampled_from(["", "clear"]))
    def skip_triage(self, who: str, reason: str) -> None:
        self.attempt(triage.skip, who, reason=reason)

    @rule(who=ACTORS)
    def roll_back(self, who: str) -> None:
        self.attempt(contain.roll_back, who)

    @rule(who=ACTORS)
    def roll_forward(self, who: str) -> None:
        self.attempt(contain.roll_forward, who)

    @rule(who=ACTORS)
    def stop(self, who: str) -> None:
        self.attempt(contain.stop, who, scope="writes")

    @rule(who=ACTORS)
    def release(self, who: str) -> None:
        self.attempt(contain.release, who, scope="writes")

    @rule(who=ACTORS)
    def waive(self, who: str) -> None:
        self.attempt(contain.waive, who, reason="nothing runs")

    @rule(who=ACTORS)
    def resolve(self, who: str) -> None:
        self.attempt(resolve.resolve, who, origin="hot_edit", resolution="fixed", no_case_reason="none fits")

    @rule(who=ACTORS)
    def sign(self, who: str) -> None:
        self.attempt(sign, who)

    @rule(who=ACTORS)
    def document(self, who: str) -> None:
        self.attempt(closing.close, who)

    @rule(who=ACTORS)
    def skip_document(self, who: str) -> None:
        self.attempt(closing.skip, who, reason="A test of the monitor.")

    @rule(who=ACTORS)
    def reopen(self, who: str) -> None:
        self.attempt(reopen.reopen, who, reason="again")

    @rule(who=ACTORS, level=st.sampled_from(Severity.values))
    def set_severity(self, who: str, level: str) -> None:
        self.attempt(severity.set_severity, who, severity=level)

    @rule(who=ACTORS, name=st.sampled_from(Responder.Duty.values))
    def take_duty(self, who: str, name: str) -> None:
        self.attempt(duty.assign, who, user=self.actors["mara"].user, duty=name)

    @rule(who=ACTORS)
    def note(self, who: str) -> None:
        self.attempt(note.add, who, text="seen")

    @rule()
    def recover_or_fire_again(self) -> None:
        room = Incident.objects.get(pk=self.room.pk)
        room.recovered_at = None if room.recovered_at else clock.now()
        room.save(update_fields=["recovered_at"])

    @invariant()
    def step_and_status_follow_from_the_times(self) -> None:
        if not hasattr(self, "room"):
            return
        room = Incident.objects.get(pk=self.room.pk)
        steps = {
            "detect": bool(room.acknowledged_at),
            "triage": bool(room.triaged_at or room.triage_skipped_at),
            "contain": bool(room.contained_at or room.containment_waived_at),
            "resolve": bool(room.resolved_at),
            "document": bool(room.documented_at or room.document_skipped_at),
        }
        step = next((name for name, closed in steps.items() if not closed), "closed")
        assert room.step == step
        if step == "closed":
            status = "closed"
        elif room.resolved_at:
            status = "resolved"
        elif room.recovered_at:
            status = "recovered"
        else:
            status = "contained" if room.contained_at else "open"
        assert room.status == status

    @invariant()
    def the_record_is_whole_and_no_machine_said_what_only_people_say(self) -> None:
        if not hasattr(self, "room"):
            return
        room = Incident.objects.get(pk=self.room.pk)
        assert timeline.first_broken(room) is None
        assert room.timeline.count() == room.last_sequence
        said = room.timeline.filter(kind__in=["acknowledged", "resolved", "documented"])
        assert not said.exclude(actor_kind="person").exists()


@pytest.mark.django_db
def test_any_order_of_verbs_keeps_step_status_and_record_true() -> None:
    Lifecycle.world = (
        running("1.0.0", "1.1.0"),
        {"mara": person(name="Mara"), "jo": person(name="Jo"), "token": machine()},
    )
    run_state_machine_as_test(
        Lifecycle,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
