"""Who may do what."""

from __future__ import annotations

import pytest

from accounts.models import Scope, SiteRole
from accounts.permissions import Permission, allows, declare, needed_for, on_call_hooks, refusal
from tests.factories.accounts import CLOCKWORK, machine, person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("role", "permission", "expected"),
    [
        (SiteRole.VIEWER, Permission.VIEW, True),
        (SiteRole.VIEWER, Permission.RESPOND, False),
        (SiteRole.VIEWER, Permission.CONTAIN, False),
        (SiteRole.RESPONDER, Permission.CONTAIN, True),
        (SiteRole.RESPONDER, Permission.APPROVE, False),
        (SiteRole.APPROVER, Permission.CONTAIN, True),
        (SiteRole.APPROVER, Permission.ACKNOWLEDGE, False),
        (SiteRole.COMMS, Permission.ACKNOWLEDGE, False),
        (SiteRole.ADMIN, Permission.APPROVE, True),
        (SiteRole.ADMIN, Permission.ADMIN, True),
        (SiteRole.COMMANDER, Permission.ADMIN, False),
    ],
)
def test_roles_give_their_rights_and_no_more(role: str, permission: Permission, expected: bool) -> None:
    assert allows(person(role), permission) is expected


@pytest.mark.parametrize(
    "permission", [Permission.ACKNOWLEDGE, Permission.RELEASE, Permission.SIGN, Permission.ADMIN, Permission.PERSON]
)
def test_no_token_whatever_its_scopes_does_what_takes_a_person(permission: Permission) -> None:
    assert not allows(machine(), permission)
    assert "takes a person" in refusal(machine(), permission) or "role" in refusal(machine(), permission)


def test_a_token_does_what_its_scopes_say() -> None:
    assert allows(machine(Scope.CONTAIN), Permission.CONTAIN)
    assert not allows(machine(Scope.READ), Permission.CONTAIN)
    assert refusal(machine(Scope.READ), Permission.CONTAIN) == "This token lacks the scope contain."


def test_whoever_is_on_call_may_contain_and_nothing_else() -> None:
    viewer = person(SiteRole.VIEWER)
    on_call_hooks.append(lambda user, deployment: user == viewer.user)
    try:
        assert allows(viewer, Permission.CONTAIN)
        assert not allows(viewer, Permission.RESPOND)
    finally:
        on_call_hooks.pop()


def test_a_disabled_person_may_nothing() -> None:
    somebody = person(SiteRole.ADMIN, is_active=False)
    assert not allows(somebody, Permission.VIEW)


def test_nobody_in_particular_comes_through_public_doors_only() -> None:
    assert allows(None, Permission.PUBLIC)
    assert not allows(None, Permission.VIEW)


def test_a_door_declared_twice_differently_is_a_programming_error() -> None:
    assert needed_for("url:nobody:declared-this") is None
    with pytest.raises(ValueError, match="declared twice"):
        declare({"url:home": Permission.ADMIN})


def test_the_machine_itself_may_contain_and_nothing_else() -> None:
    assert [permission for permission in Permission if allows(CLOCKWORK, permission)] == [
        Permission.PUBLIC,
        Permission.KEYED,
        Permission.CONTAIN,
    ]
