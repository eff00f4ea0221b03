"""What each door of this app needs, and the only way from (actor, id) to a person."""

from __future__ import annotations

from django.db import models

from accounts.actors import Actor
from accounts.errors import NotFound
from accounts.models import User
from accounts.permissions import Permission, declare, require


def register() -> None:
    declare(
        {
            "url:home": Permission.PUBLIC,
            "url:api:openapi-json": Permission.PUBLIC,
            "url:api:api-root": Permission.PUBLIC,
            "url:account_login": Permission.PUBLIC,
            "url:account_logout": Permission.PUBLIC,
            "url:account_signup": Permission.PUBLIC,  # closed by the adapter
            "url:account_reset_password*": Permission.PUBLIC,
            "url:account_inactive": Permission.PUBLIC,
            "url:account_*": Permission.PERSON,
            "url:mfa_authenticate": Permission.PUBLIC,
            "url:mfa_*": Permission.PERSON,
            "url:accounts:sign_in_link": Permission.PUBLIC,
            "url:accounts:approve_session": Permission.PERSON,
            "url:api:login_start": Permission.PUBLIC,
            "url:api:login_poll": Permission.PUBLIC,
            "url:accounts:preferences": Permission.PERSON,
            "url:api:list_people": Permission.ADMIN,
            "url:api:invite_person": Permission.ADMIN,
            "url:api:get_person": Permission.ADMIN,
            "url:api:set_roles": Permission.ADMIN,
            "url:api:disable_person": Permission.ADMIN,
            "url:api:enable_person": Permission.ADMIN,
            "url:api:reset_person": Permission.ADMIN,
        }
    )


def people_for(actor: Actor | None) -> models.QuerySet[User]:
    """Everybody, for those who look after people."""
    require(actor, Permission.ADMIN)
    return User.objects.all()


def get_person(actor: Actor | None, pk: int) -> User:
    """One person; NotFound when there is none."""
    person = people_for(actor).filter(pk=pk).first() if pk < 2**63 else None
    if person is None:
        raise NotFound(f"There is no person {pk}.")
    return person
