"""One press back, from any door, and the way forward again."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Model

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts import signals, stack
from rollouts.models import Activation, BundleVersion, Deployment, Environment, Rollback, RollbackLeg, Waiver
from rollouts.operations.promote import promote
from rollouts.operations.roll_back import roll_back
from rollouts.operations.roll_forward import roll_forward
from tests.factories.accounts import machine, person
from tests.factories.rollouts import activate, deployment, running, version

pytestmark = pytest.mark.django_db


def press(where: Deployment, **how: object) -> Rollback:
    made, fresh = roll_back(where, actor=person(), **how)  # type: ignore[arg-type]
    assert fresh
    return made


def test_a_press_goes_back_to_the_last_good_version_and_writes_down_everything() -> None:
    where = running("1.0.0", "2.0.0")
    actor = person()
    epoch = Environment.objects.get(name="prod").epoch
    made, fresh = roll_back(where, actor=actor, reason="wrong refunds", pressed_in="INC-1")
    where.refresh_from_db()
    assert fresh
    assert (made.from_version.label, made.to_version.label) == ("2.0.0", "1.0.0")
    assert (made.reason, made.pressed_in, made.user, made.in_flight_policy) == (
        "wrong refunds",
        "INC-1",
        actor.user,
        "complete_old",
    )
    assert where.active == made.to_version
    assert where.stack == [1]
    assert where.standing_rollback == made
    assert where.activated_at == made.flipped_at
    assert made.epoch == Environment.objects.get(name="prod").epoch == epoch + 1
    activation = where.activations.first()
    assert activation == made.activation
    assert (activation.kind, activation.version, activation.previous) == (
        "rollback",
        made.to_version,
        made.from_version,
    )
    assert 0 < made.committed_ms < 5_000
    entry = AuditEntry.objects.get(verb="roll back")
    assert (entry.subject, entry.reason, entry.data) == ("customer-service/prod", "wrong refunds", {"from": 2, "to": 1})


def test_a_decision_made_earlier_counts_into_the_time_to_commit() -> None:
    where = running("1.0.0", "2.0.0")
    made = press(where, decided_at=clock.now() - timedelta(seconds=2))
    assert 2_000 <= made.committed_ms < 7_000


def test_the_same_press_again_is_the_same_rollback_from_whoever_it_comes() -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    made = press(where)
    assert roll_back(where, actor=machine(Scope.CONTAIN)) == (made, False)
    assert roll_back(where, actor=person(), to=2) == (made, False)
    assert Activation.objects.filter(kind="rollback").count() == 1


def test_one_further_needs_its_number() -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    press(where)
    further = press(where, to=1)
    assert (further.from_version.number, further.to_version.number) == (2, 1)
    where.refresh_from_db()
    assert where.stack == [1]


def test_a_press_after_a_new_activation_is_a_new_rollback() -> None:
    where = running("1.0.0", "2.0.0")
    press(where)
    activate(version(label="3.0.0"))
    again = press(where)
    assert (again.from_version.number, again.to_version.number) == (3, 1), "2 was rolled back from"


def test_with_nothing_below_it_offers_a_human() -> None:
    with pytest.raises(OperationRefused, match="Nothing to go back to") as refused:
        roll_back(running("1.0.0"), actor=person())
    assert (refused.value.status, refused.value.details) == (409, {"offer": "Send to a human"})
    with pytest.raises(OperationRefused, match="never had an active version"):
        roll_back(deployment("other"), actor=person())


@pytest.mark.parametrize(
    ("to", "why"),
    [(3, "the active one"), (99, "never been active"), (0, "never been active"), (4, "never been active")],
)
def test_what_cannot_be_gone_back_to_is_refused_with_the_reason(to: int, why: str) -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    version(label="4.0.0")
    with pytest.raises(OperationRefused, match=why):
        roll_back(where, actor=person(), to=to)


def test_a_version_that_was_rolled_back_from_is_no_target() -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    press(where)
    with pytest.raises(OperationRefused, match="itself rolled back from"):
        roll_back(where, actor=person(), to=3)


def test_who_may_contain() -> None:
    where = running("1.0.0", "2.0.0")
    for stranger in (person(SiteRole.VIEWER), person(SiteRole.COMMS), machine(Scope.PUSH, Scope.APPROVER)):
        with pytest.raises(NotPermitted):
            roll_back(where, actor=stranger)
        with pytest.raises(NotPermitted):
            roll_forward(where, actor=stranger)
    assert not Rollback.objects.exists()


def test_a_failure_on_the_way_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    where = running("1.0.0", "2.0.0")
    epoch = Environment.objects.get(name="prod").epoch
    with pytest.raises(DatabaseError), transaction.atomic():
        roll_back(where, actor=person(), pressed_in="x" * 33)
    where.refresh_from_db()
    assert where.active is not None
    assert (where.active.number, Rollback.objects.count()) == (2, 0)
    assert Environment.objects.get(name="prod").epoch == epoch


def test_roll_forward_restores_the_stack_and_lifts_the_mark() -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    made = press(where, to=1)
    assert made.taken == [2, 3]
    activation = roll_forward(where, actor=person(), reason="it was the cache")
    where.refresh_from_db()
    assert (activation.kind, activation.version.number, activation.reason) == ("roll_forward", 3, "it was the cache")
    assert where.stack == [1, 2, 3]
    assert where.standing_rollback is None
    assert stack.last_good(where) == BundleVersion.objects.get(number=2)
    assert roll_forward(where, actor=person()) == activation, "a second press changes nothing"
    assert press(where).to_version.number == 2


def test_roll_forward_without_a_rollback_is_refused() -> None:
    with pytest.raises(OperationRefused, match="no rollback to take back"):
        roll_forward(running("1.0.0", "2.0.0"), actor=person())
    where = running("3.0.0")
    press(where)
    activate(version(label="4.0.0"))
    with pytest.raises(OperationRefused, match="no rollback to take back"):
        roll_forward(where, actor=person())


def test_every_move_is_announced_after_its_commit(django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
    heard: list[tuple[str, int]] = []

    def hear(kind: str, pk: int, **kwargs: object) -> None:
        heard.append((kind, pk))

    where = running("1.0.0", "2.0.0")
    signals.machine_moved.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            made = press(where)
            assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            forward = roll_forward(where, actor=person())
    finally:
        signals.machine_moved.disconnect(hear)
    assert heard == [("rollback", made.pk), ("roll_forward", forward.pk)]


def test_a_rollback_is_few_queries(django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    where, actor = running("1.0.0", "2.0.0"), person()
    with django_assert_max_num_queries(16):
        roll_back(where, actor=actor)


@pytest.mark.parametrize("model", [BundleVersion, Activation, Rollback, Waiver])
@pytest.mark.parametrize("verb", ["UPDATE {0} SET id = id", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_the_database_refuses_to_change_the_record(model: type[Model], verb: str) -> None:
    where = running("1.0.0", "2.0.0")
    press(where)
    promote(
        where,
        version(label="3.0.0"),
        actor=person(SiteRole.APPROVER),
        waiver_reason="launch day",
        waiver_expires_at=clock.now() + timedelta(days=1),
    )
    assert model._default_manager.exists()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else pending checks refuse a TRUNCATE before we do
        with pytest.raises(DatabaseError, match=r"append-only|Cannot update or delete rows"), transaction.atomic():
            cursor.execute(verb.format(model._meta.db_table))


@pytest.mark.django_db(transaction=True)
def test_twenty_doors_pressing_at_once_are_one_rollback() -> None:
    where = running("1.0.0", "2.0.0", "3.0.0")
    actors = [person() for _ in range(20)]
    barrier = threading.Barrier(20)
    answers: list[tuple[int, bool]] = []
    failures: list[BaseException] = []

    def press_here(index: int) -> None:
        try:
            barrier.wait(timeout=20)
            made, fresh = roll_back(where, actor=actors[index])
            answers.append((made.pk, fresh))
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=press_here, args=(index,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert len(answers) == 20
    assert len({pk for pk, _ in answers}) == 1
    assert sum(fresh for _, fresh in answers) == 1
    where.refresh_from_db()
    assert where.stack == [1, 2]
    assert (Rollback.objects.count(), RollbackLeg.objects.count()) == (1, 7)


@pytest.mark.django_db(transaction=True)
def test_the_epoch_is_notified_when_the_rollback_commits() -> None:
    where = running("1.0.0", "2.0.0")
    parameters = connection.get_connection_params()
    wanted = {name: parameters[name] for name in ("host", "port", "dbname", "user") if parameters.get(name)}
    with psycopg.connect(**wanted, autocommit=True) as listener:
        listener.execute("LISTEN lastgood_epoch")
        made = press(where)
        notice = next(iter(listener.notifies(timeout=5, stop_after=1)))
    assert notice.payload == f"prod {made.epoch}"
