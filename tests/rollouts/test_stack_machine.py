"""Any order of promotions, presses and roll-forwards keeps the stack true."""

from __future__ import annotations

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import SiteRole
from rollouts import stack
from rollouts.models import Activation, BundleVersion, Deployment, Environment, Rollback
from rollouts.operations.promote import promote
from rollouts.operations.roll_back import roll_back
from rollouts.operations.roll_forward import roll_forward
from tests.factories.accounts import person
from tests.factories.rollouts import deployment, version

VERSIONS = 4


class StackMachine(RuleBasedStateMachine):
    """Beside the database runs a model: what one could go back to, and what the standing rollback took."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[int] = []
        self.taken: list[int] = []
        self.flips = 0

    @initialize()
    def begin(self) -> None:
        self.block = transaction.atomic()
        self.block.__enter__()
        self.actor: Actor = person(SiteRole.ADMIN)
        self.versions: list[BundleVersion] = [version(label=f"{n}.0.0") for n in range(1, VERSIONS + 1)]
        self.where: Deployment = deployment(environment="dev")
        self.epoch = Environment.objects.get(name="dev").epoch

    def teardown(self) -> None:
        if hasattr(self, "block"):
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @rule(number=st.integers(1, VERSIONS))
    def promote(self, number: int) -> None:
        promote(self.where, self.versions[number - 1], actor=self.actor)
        if self.stack[-1:] != [number]:
            self.stack = [*(n for n in self.stack if n != number), number]
            self.taken = []
            self.flips += 1

    @rule()
    def press(self) -> None:
        if self.taken:
            rollback, fresh = roll_back(self.where, actor=self.actor)
            assert (fresh, rollback.to_version.number) == (False, self.stack[-1])
        elif len(self.stack) < 2:
            with pytest.raises(OperationRefused, match="Nothing to go back to"):
                roll_back(self.where, actor=self.actor)
        else:
            rollback, fresh = roll_back(self.where, actor=self.actor)
            assert fresh
            self._went_back(rollback, self.stack[-2])

    @precondition(lambda self: len(self.stack) > 1)
    @rule(data=st.data())
    def go_further(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(self.stack[:-1]))
        rollback, fresh = roll_back(self.where, actor=self.actor, to=target)
        assert fresh
        self._went_back(rollback, target)

    def _went_back(self, rollback: Rollback, target: int) -> None:
        keep = self.stack.index(target) + 1
        self.stack, self.taken = self.stack[:keep], self.stack[keep:]
        self.flips += 1
        assert (rollback.from_version.number, rollback.to_version.number) == (self.taken[-1], target)
        assert rollback.legs.count() == 7

    @precondition(lambda self: self.taken)
    @rule()
    def roll_forward(self) -> None:
        activation = roll_forward(self.where, actor=self.actor)
        assert activation.version.number == self.taken[-1]
        self.stack, self.taken = self.stack + self.taken, []
        self.flips += 1

    @invariant()
    def the_pointer_and_its_history_agree(self) -> None:
        if not hasattr(self, "where"):
            return
        self.where.refresh_from_db()
        active = self.where.active.number if self.where.active else None
        assert self.where.stack == self.stack
        assert active == (self.stack[-1] if self.stack else None)
        assert len(set(self.stack)) == len(self.stack)
        assert bool(self.where.standing_rollback_id) == bool(self.taken)
        history = Activation.objects.filter(deployment=self.where)
        assert history.count() == self.flips
        newest = history.order_by("-pk").first()
        assert active == (newest.version.number if newest else None), "the pointer is the history's last word"
        assert Environment.objects.get(name="dev").epoch == self.epoch + self.flips
        good = stack.last_good(self.where)
        assert good is None or good.number != active
        view = stack.view(self.where)
        assert {row.version.number for row in view if not row.rolled_back} == set(self.stack)
        assert [row.version.number for row in view if row.state == "active"] == self.stack[-1:]


@pytest.mark.django_db
def test_any_order_of_moves_keeps_the_stack_true() -> None:
    run_state_machine_as_test(
        StackMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
