"""Kill switches, and the legs a rollback leaves to people."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts.models import Environment, KillSwitch, Rollback, RollbackLeg, Stop
from rollouts.operations import kill_switch, legs
from rollouts.operations.roll_back import roll_back
from tests.factories.accounts import machine, person
from tests.factories.rollouts import activate, deployment, running, version

pytestmark = pytest.mark.django_db


def rolled_back() -> Rollback:
    return roll_back(running("1.0.0", "2.0.0"), actor=person())[0]


def leg(kind: str) -> RollbackLeg:
    return rolled_back().legs.get(kind=kind)


def test_a_stop_engages_bumps_the_epoch_and_is_written_down() -> None:
    where = deployment()
    made = kill_switch.stop(where, actor=person(), scope="tool:refund", reason="double refunds", pressed_in="INC-1")
    assert (made.kill_switch.scope, made.reason, made.pressed_in) == ("tool:refund", "double refunds", "INC-1")
    assert made.epoch == Environment.objects.get(name="prod").epoch == 1
    assert list(KillSwitch.objects.filter(stops__released_at=None)) == [made.kill_switch]
    assert made.committed_ms > 0
    assert AuditEntry.objects.get(verb="stop").data == {"scope": "tool:refund", "fallback": ""}


def test_pressing_again_is_the_same_stop() -> None:
    where = deployment()
    made = kill_switch.stop(where, actor=person())
    assert kill_switch.stop(where, actor=machine(Scope.CONTAIN), reason="me too") == made
    assert kill_switch.stop(where, actor=person(), scope="writes") != made
    assert Environment.objects.get(name="prod").epoch == 2


@pytest.mark.parametrize("scope", ["", "all", "region:", "tool:a b", "cohort:" + "x" * 101, "Whole", "whole\n"])
def test_a_scope_nobody_knows_is_refused(scope: str) -> None:
    with pytest.raises(OperationRefused, match="A scope is") as refused:
        kill_switch.stop(deployment(), actor=person(), scope=scope)
    assert refused.value.status == 422


def test_a_stop_remembers_what_customers_get_instead() -> None:
    where = deployment()
    first = kill_switch.stop(where, actor=person(), fallback="To a human")
    kill_switch.release(first, actor=person())
    again = kill_switch.stop(where, actor=person())
    assert again != first
    assert again.fallback == "To a human"


def test_only_a_person_releases_and_only_once() -> None:
    made = kill_switch.stop(deployment(), actor=machine(Scope.CONTAIN))
    for stranger in (machine(), person(SiteRole.VIEWER)):
        with pytest.raises(NotPermitted):
            kill_switch.release(made, actor=stranger)
    actor = person()
    released = kill_switch.release(made, actor=actor, reason="fixed")
    assert (released.released_by, released.release_reason) == (actor.user, "fixed")
    assert released.released_at is not None
    assert Environment.objects.get(name="prod").epoch == 2
    with pytest.raises(OperationRefused, match="released this stop already"):
        kill_switch.release(made, actor=person())


def test_who_may_stop() -> None:
    for stranger in (person(SiteRole.VIEWER), machine(Scope.PUSH)):
        with pytest.raises(NotPermitted):
            kill_switch.stop(deployment(), actor=stranger)


def test_the_database_refuses_a_second_engagement_and_a_release_by_nobody() -> None:
    made = kill_switch.stop(deployment(), actor=person())
    copy = Stop.objects.get(pk=made.pk)
    copy.pk = None
    with pytest.raises(DatabaseError, match="one_open_stop_per_kill_switch"), transaction.atomic():
        copy.save(force_insert=True)
    with pytest.raises(DatabaseError, match="stop_released_by_a_person"), transaction.atomic():
        Stop.objects.filter(pk=made.pk).update(released_at=made.engaged_at)


def test_seven_legs_each_with_a_sentence() -> None:
    made = rolled_back()
    assert [(entry.kind, entry.state) for entry in made.legs.all()] == [
        ("flip", "done"),
        ("prefix_cache", "open"),
        ("semantic_cache", "open"),
        ("histories", "open"),
        ("baseline", "not_applicable"),
        ("experiment", "not_applicable"),
        ("downstream", "not_applicable"),
    ]
    sentences = {entry.kind: entry.sentence for entry in made.legs.all()}
    assert sentences["prefix_cache"].startswith("Prompt moved: let prefixes cached under 2.0.0 run out")
    assert "finish under the old version" in sentences["histories"]
    assert sentences["experiment"] == "2.0.0 declares no experiment."


def test_legs_apply_by_what_the_two_versions_say() -> None:
    text = "The same prompt."
    where = running()
    activate(version(label="1.0.0", text=text))
    tool = {"name": "get_order", "input_schema": {"type": "object"}}
    activate(
        version(
            label="2.0.0",
            text=text,
            tools=[tool],
            metadata={"eval_set": "refunds-40", "experiment": "exp-7", "output_contract": "v2"},
        )
    )
    made, _ = roll_back(where, actor=person())
    told = {entry.kind: (entry.state, entry.sentence) for entry in made.legs.all()}
    assert told["baseline"] == (
        "open",
        "Make sure the baseline of eval set refunds-40 is 1.0.0's again, not 2.0.0's.",
    )
    assert told["experiment"][0] == "open"
    assert told["downstream"] == (
        "open",
        "The schema of get_order and the output contract moved back: tell the consumers who had adapted to 2.0.0.",
    )
    assert told["prefix_cache"][1].startswith("Tools moved")


def test_versions_that_behave_alike_leave_nothing_in_caches_or_histories() -> None:
    where = running()
    for label, reviewer in (("1.0.0", "Ada"), ("2.0.0", "Lin")):
        activate(version(label=label, text="The same prompt.", metadata={"reviewer": reviewer}))
    made, _ = roll_back(where, actor=person())
    assert {entry.state for entry in made.legs.all()} == {"done", "not_applicable"}


def test_a_person_closes_a_leg_under_their_name() -> None:
    actor = person()
    closed = legs.close(leg("histories"), actor=actor, state="done")
    assert (closed.state, closed.closed_by, closed.closed_by_label) == ("done", actor.user, actor.label)
    assert closed.closed_at is not None
    assert AuditEntry.objects.get(verb="close leg").data["leg"] == "histories"
    with pytest.raises(OperationRefused, match=f"done already by {actor.label}"):
        legs.close(closed, actor=person(), state="waived", reason="x")


def test_waiving_a_leg_needs_a_reason() -> None:
    opened = leg("histories")
    with pytest.raises(OperationRefused, match="needs a reason"):
        legs.close(opened, actor=person(), state="waived", reason=" ")
    assert legs.close(opened, actor=person(), state="waived", reason="none begun").state == "waived"


def test_what_is_done_or_does_not_apply_is_not_closed_again() -> None:
    made = rolled_back()
    for kind in ("flip", "experiment"):
        with pytest.raises(OperationRefused, match="already"):
            legs.close(made.legs.get(kind=kind), actor=person(), state="done")


@pytest.mark.parametrize("state", ["open", "running", "not_applicable", "", "gone"])
def test_a_leg_is_closed_as_done_or_waived(state: str) -> None:
    with pytest.raises(OperationRefused, match="done or waived"):
        legs.close(leg("histories"), actor=person(), state=state)


def test_no_machine_and_no_viewer_closes_a_leg() -> None:
    opened = leg("histories")
    with pytest.raises(NotPermitted, match="takes a person"):
        legs.close(opened, actor=machine(), state="done")
    with pytest.raises(NotPermitted):
        legs.close(opened, actor=person(SiteRole.VIEWER), state="done")
