"""Letting people in, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import SiteRole, User
from accounts.operations import audit, keys
from accounts.permissions import Permission, require


@transaction.atomic
def invite(*, actor: Actor, email: str, name: str = "", roles: Sequence[str]) -> tuple[User, str]:
    """A new person, and the secret of a link that signs them in once so that they can set a password."""
    require(actor, Permission.ADMIN)
    known(roles)
    email = email.strip().lower()
    if User.objects.filter(email__iexact=email).exists():
        raise OperationRefused(f"{email} can sign in already. Change the roles in the list.")
    user = User.objects.create_user(email, None, name=name.strip(), roles=list(roles))
    audit.record(actor, "invite", email, data={"roles": list(roles)})
    return user, keys.make_sign_in_link(user)


@transaction.atomic
def set_roles(user: User, *, actor: Actor, roles: Sequence[str], active: bool = True) -> User:
    """Give ``user`` exactly ``roles``; ``active`` false keeps them out. The last admin stays one."""
    require(actor, Permission.ADMIN)
    known(roles)
    admins = list(User.objects.select_for_update(no_key=True).filter(is_active=True, roles__contains=[SiteRole.ADMIN]))
    if admins == [user] and (SiteRole.ADMIN not in roles or not active):
        raise OperationRefused(f"{user} is the only admin. Make somebody else admin first.")
    user.roles, user.is_active = list(roles), active
    user.save(update_fields=["roles", "is_active"])
    audit.record(actor, "set roles", user.email, data={"roles": list(roles), "active": active})
    return user


def known(roles: Sequence[str]) -> None:
    """Refuse an empty or unknown set of roles."""
    if not roles:
        raise OperationRefused("Give at least one role; viewer is the least.", status=422)
    if unknown := [role for role in roles if role not in SiteRole.values]:
        raise OperationRefused(f"There is no role {unknown[0]!r}.", status=422)
