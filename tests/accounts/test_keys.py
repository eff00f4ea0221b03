"""Keys and logins: who may come in, and who no longer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import clock
from accounts.actors import Actor, ActorKind
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import ApiToken, AuditEntry, PersonSession, Scope, SignInLink
from accounts.operations import audit, keys, login
from tests.factories.accounts import CLOCKWORK, SHELL, UserFactory, machine, person, token

pytestmark = pytest.mark.django_db


def test_a_token_acts_as_automation_for_the_person_who_issued_it() -> None:
    row, secret = token(Scope.PUSH)
    actor = keys.actor_of_bearer(secret)
    assert actor is not None
    assert (actor.kind, actor.user, actor.person) == (ActorKind.AUTOMATION, row.issued_by, None)
    assert actor.scopes == {Scope.PUSH}


def test_only_a_digest_of_a_secret_is_stored() -> None:
    row, secret = token()
    assert secret not in str(ApiToken.objects.filter(pk=row.pk).values_list())
    assert row.hint == secret[:12]


def test_a_revoked_expired_or_unknown_token_is_nobody() -> None:
    row, secret = token()
    assert keys.actor_of_bearer("lgt_somebody_elses") is None
    ApiToken.objects.filter(pk=row.pk).update(expires_at=clock.now() - timedelta(seconds=1))
    assert keys.actor_of_bearer(secret) is None
    ApiToken.objects.filter(pk=row.pk).update(expires_at=None)
    assert keys.actor_of_bearer(secret) is not None
    keys.revoke(row, actor=SHELL)
    assert keys.actor_of_bearer(secret) is None


def test_a_token_dies_with_its_issuers_account() -> None:
    row, secret = token()
    row.issued_by.is_active = False
    row.issued_by.save()
    assert keys.actor_of_bearer(secret) is None


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(OperationRefused, match="No such scope: everything"):
        keys.issue_token("x", ["everything"], issuer=UserFactory(), actor=SHELL)


def test_a_sign_in_link_works_once_and_in_time() -> None:
    user = UserFactory()
    secret = keys.make_sign_in_link(user)
    assert keys.use_sign_in_link(secret) == user
    assert keys.use_sign_in_link(secret) is None
    late = keys.make_sign_in_link(user)
    SignInLink.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert keys.use_sign_in_link(late) is None


def test_a_login_waits_for_a_person_and_then_is_that_person_for_twelve_hours() -> None:
    started = login.start()
    assert login.redeem(started.device_code) is None
    somebody = person()
    login.approve(started.user_code, actor=somebody)
    granted = login.redeem(started.device_code)
    assert granted is not None
    assert granted.user == somebody.user
    assert granted.expires_at - clock.now() > timedelta(hours=11, minutes=59)
    actor = keys.actor_of_bearer(granted.session)
    assert actor is not None
    assert actor.person == somebody.user
    assert keys.actor_of_bearer(granted.session, at=clock.now() + timedelta(hours=12, seconds=1)) is None


def test_a_login_is_handed_out_once() -> None:
    started = login.start()
    login.approve(started.user_code, actor=person())
    assert login.redeem(started.device_code)
    with pytest.raises(OperationRefused, match="has been used"):
        login.redeem(started.device_code)


def test_a_token_cannot_approve_a_login() -> None:
    started = login.start()
    with pytest.raises(NotPermitted):
        login.approve(started.user_code, actor=machine())
    assert PersonSession.objects.get().approved_at is None


def test_a_late_approval_is_refused() -> None:
    started = login.start()
    with pytest.raises(OperationRefused, match="expired"):
        login.approve(started.user_code, actor=person(), at=started.expires_at + timedelta(seconds=1))


def test_the_audit_chain_is_whole_and_shows_a_changed_row() -> None:
    for number in range(3):
        audit.record(CLOCKWORK, "test", f"thing {number}")
    assert audit.first_broken() is None
    broken = AuditEntry.objects.order_by("sequence")[1]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE accounts_auditentry SET reason = 'changed' WHERE id = %s", [broken.pk])
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert audit.first_broken() == broken.sequence


@pytest.mark.parametrize(
    "statement",
    ["UPDATE accounts_auditentry SET reason = 'x'", "DELETE FROM accounts_auditentry", "TRUNCATE accounts_auditentry"],
)
def test_the_database_refuses_to_change_the_audit_log(statement: str) -> None:
    audit.record(CLOCKWORK, "test", "thing")
    with (
        pytest.raises(DatabaseError, match=r"append-only|[Cc]annot"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 1


def test_actor_of_a_person_names_them() -> None:
    user = UserFactory(name="", email="mara@example.com")
    assert Actor.of_user(user).label == "mara"


def test_strangers_cannot_fill_the_table_with_logins() -> None:
    at = clock.now()
    for _ in range(login.STARTS_PER_MINUTE):
        login.start(at=at)
    with pytest.raises(OperationRefused, match="Try again in a minute") as refused:
        login.start(at=at)
    assert refused.value.status == 429
    login.start(at=at + timedelta(days=2))
    assert PersonSession.objects.count() == 1


@pytest.mark.parametrize(
    "actor", [person, machine, lambda: Actor.automation("the clock")], ids=["responder", "token", "clock"]
)
def test_only_admins_and_whoever_has_a_shell_issue_and_revoke_keys(actor: Callable[[], Actor]) -> None:
    made, _ = token()
    acts: list[Callable[[Actor], object]] = [
        lambda who: keys.issue_token("x", [Scope.READ], issuer=made.issued_by, actor=who),
        lambda who: keys.issue_resolver_key("x", "prod", issuer=made.issued_by, actor=who),
        lambda who: keys.revoke(made, actor=who),
    ]
    for act in acts:
        with pytest.raises(NotPermitted):
            act(actor())
        act(SHELL)


def test_an_approved_login_that_nobody_fetches_lapses() -> None:
    at = clock.now()
    started = login.start(at=at)
    login.approve(started.user_code, actor=person(), at=at)
    with pytest.raises(OperationRefused, match="has been used or has expired"):
        login.redeem(started.device_code, at=at + 2 * login.APPROVE_WITHIN)
    assert login.redeem(started.device_code, at=at + login.APPROVE_WITHIN) is not None
