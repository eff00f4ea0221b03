"""Promotion: gates, waivers, and every reason at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts import stack
from rollouts.models import Activation, Environment, GateResult, Waiver
from rollouts.operations import gates
from rollouts.operations.promote import promote
from rollouts.operations.roll_back import roll_back
from tests.factories.accounts import machine, person
from tests.factories.rollouts import activate, deployment, running, version

pytestmark = pytest.mark.django_db


def approver() -> Actor:
    return person(SiteRole.APPROVER)


def test_dev_has_no_gates() -> None:
    made = version(model={"snapshot": "gpt-4o"}, metadata={"reviewer": "", "in_flight_policy": None})
    activation = promote(deployment(environment="dev"), made, actor=approver())
    where = deployment(environment="dev")
    assert (where.active, where.stack, activation.previous) == (made, [1], None)


def test_promotion_moves_the_pointer_and_writes_it_down() -> None:
    where = running("1.0.0", "2.0.0")
    activation = where.activations.latest("pk")
    assert (activation.kind, activation.version.label) == ("promotion", "2.0.0")
    assert activation.previous is not None
    assert activation.previous.label == "1.0.0"
    assert activation.epoch == Environment.objects.get(name="prod").epoch
    assert activation.text_digest == activation.version.part_digests["prompt"]
    assert where.stack == [1, 2]
    good = stack.last_good(where)
    assert good is not None
    assert good.label == "1.0.0"
    assert AuditEntry.objects.filter(verb="promote", subject="customer-service/prod").count() == 2


def test_every_reason_is_told_at_once() -> None:
    made = version(model={"snapshot": "gpt-4o"}, metadata={"reviewer": None, "in_flight_policy": None})
    gates.record(made, "evals", "red", "3 of 40 failed", actor=person())
    with pytest.raises(OperationRefused) as refused:
        promote(deployment(), made, actor=approver())
    assert refused.value.status == 409
    assert refused.value.details["reasons"] == [
        "Gate evals is red: 3 of 40 failed.",
        "Gate staging has no result and there is no waiver.",
        "Model gpt-4o is an alias that its provider may move; pin a snapshot.",
        "No reviewer is named (metadata.reviewer).",
        "No in-flight policy is declared (metadata.in_flight_policy).",
    ]
    assert not Activation.objects.exists()


def test_staging_needs_evals_and_prod_needs_staging_too() -> None:
    made = version()
    with pytest.raises(OperationRefused, match="Gate evals has no result"):
        promote(deployment(environment="staging"), made, actor=approver())
    gates.record(made, "evals", "green", actor=person())
    with pytest.raises(OperationRefused, match="Gate staging has no result"):
        promote(deployment(), made, actor=approver())
    promote(deployment(environment="staging"), made, actor=approver())
    assert promote(deployment(), made, actor=approver()).version == made


def test_one_waiver_covers_all_gates_without_a_result() -> None:
    made = version()
    actor = machine(Scope.APPROVER)
    expires_at = clock.now() + timedelta(days=3)
    activation = promote(deployment(), made, actor=actor, waiver_reason="launch day", waiver_expires_at=expires_at)
    waiver = Waiver.objects.get()
    assert (waiver.activation, waiver.gates, waiver.expires_at) == (activation, ["evals", "staging"], expires_at)
    assert (waiver.actor_kind, waiver.user) == ("automation", actor.user), "recorded with the person who issued it"


def test_no_waiver_covers_a_red_gate_or_a_missing_reviewer() -> None:
    made = version(metadata={"reviewer": " "})
    gates.record(made, "toxicity", "red", actor=person())
    expires_at = clock.now() + timedelta(days=3)
    with pytest.raises(OperationRefused) as refused:
        promote(deployment(), made, actor=approver(), waiver_reason="please", waiver_expires_at=expires_at)
    assert refused.value.details["reasons"] == [
        "Gate toxicity is red.",
        "No reviewer is named (metadata.reviewer).",
    ]


@pytest.mark.parametrize(
    ("reason", "days", "why"),
    [("x", None, "a time at which it expires"), ("", 1, "a reason"), ("x", -1, "expired")],
)
def test_a_waiver_has_a_reason_and_an_end(reason: str, days: int | None, why: str) -> None:
    expires_at = None if days is None else clock.now() + timedelta(days=days)
    with pytest.raises(OperationRefused, match=why) as refused:
        promote(deployment(), version(), actor=approver(), waiver_reason=reason, waiver_expires_at=expires_at)
    assert refused.value.status == 422


def test_the_newest_result_of_a_gate_counts() -> None:
    made = version()
    for state in ("red", "green"):
        gates.record(made, "evals", state, actor=person())
    assert promote(deployment(environment="staging"), made, actor=approver())


def test_promoting_what_is_active_changes_nothing() -> None:
    where = running("1.0.0")
    assert where.active is not None
    before = where.activations.get()
    assert promote(where, where.active, actor=approver()) == before
    assert where.activations.count() == 1


def test_a_version_promoted_again_stands_on_top_once() -> None:
    where = running("1.0.0", "2.0.0")
    first = where.bundle.versions.get(number=1)
    promote(where, first, actor=approver())
    where.refresh_from_db()
    assert where.stack == [2, 1]


def test_another_bundles_version_is_refused() -> None:
    with pytest.raises(OperationRefused, match="another bundle"):
        promote(deployment("a"), version("b"), actor=approver())


def test_who_may_promote_and_who_may_record_a_gate() -> None:
    made = version()
    for stranger in (person(SiteRole.RESPONDER), machine(Scope.PUSH, Scope.CONTAIN)):
        with pytest.raises(NotPermitted):
            promote(deployment(environment="dev"), made, actor=stranger)
    with pytest.raises(NotPermitted):
        gates.record(made, "evals", "green", actor=machine(Scope.APPROVER))
    with pytest.raises(NotPermitted, match="takes a person"):
        gates.record(made, "diff", "green", actor=machine())
    assert gates.record(made, "diff", "green", actor=approver()).gate == "diff"


@pytest.mark.parametrize(
    ("gate", "state"), [("Evals", "green"), ("", "green"), ("staging", "green"), ("evals", "blue")]
)
def test_a_gate_that_cannot_be_recorded(gate: str, state: str) -> None:
    with pytest.raises(OperationRefused) as refused:
        gates.record(version(), gate, state, actor=person())
    assert refused.value.status == 422
    assert not GateResult.objects.exists()


def test_the_stack_tells_active_warm_and_archived() -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    now = clock.now()
    assert [(row.version.label, row.state, row.is_last_good) for row in stack.view(where, now)] == [
        ("3.0.0", "active", False),
        ("2.0.0", "warm", True),
        ("1.0.0", "warm", False),
    ]
    later = stack.view(where, now + timedelta(hours=where.warm_hours))
    assert [row.state for row in later] == ["active", "archived", "archived"]
    assert later[0].warm_until is None


def test_a_version_that_was_rolled_back_from_is_marked_until_it_is_promoted_again() -> None:
    where = running("1.0.0", "2.0.0")
    roll_back(where, actor=person())
    where.refresh_from_db()
    assert {row.version.number: (row.state, row.rolled_back) for row in stack.view(where)} == {
        1: ("active", False),
        2: ("warm", True),
    }
    activate(where.bundle.versions.get(number=2))
    where.refresh_from_db()
    assert not any(row.rolled_back for row in stack.view(where))
