"""Letting people in, what they may do, and seeing them out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import PersonSession, SiteRole, User
from accounts.operations import audit, keys
from accounts.permissions import Permission, refusal, require

#: NOTIFY channel; the payload is the id of a person whose open streams are over.
CHANNEL = "lastgood_people"


@transaction.atomic
def invite(*, actor: Actor, email: str, name: str = "", roles: Sequence[str]) -> tuple[User, str]:
    """A new person, and the secret of a link that signs them in once so that they can set a password."""
    require(actor, Permission.ADMIN)
    known(roles)
    email = email.strip().lower()
    known_already = User.objects.filter(email__iexact=email).first()
    if known_already is not None:
        if not _has_been_in(known_already):
            raise OperationRefused(f"{email} was invited already. Reset them on their page for a new link.")
        raise OperationRefused(f"{email} can sign in already. Change the roles in the list.")
    user = User.objects.create_user(email, None, name=name.strip(), roles=in_order(roles))
    audit.record(actor, "invite", email, data={"roles": user.roles})
    return user, keys.make_sign_in_link(user)


@transaction.atomic
def set_roles(user: User, *, actor: Actor, roles: Sequence[str], at: datetime | None = None) -> User:
    """Give ``user`` exactly ``roles``. The last admin stays one; the same roles again change nothing."""
    known(roles)
    user, admins = _locked(user, actor)
    before, after = in_order(user.roles), in_order(roles)
    if before == after:
        return user
    if SiteRole.ADMIN not in after:
        _another_admin(user, admins)
    user.roles = after
    user.save(update_fields=["roles"])
    audit.record(actor, "set roles", user.email, data={"from": before, "to": after}, at=at)
    return user


@transaction.atomic
def disable(user: User, *, actor: Actor, reason: str = "", at: datetime | None = None) -> User:
    """Keep ``user`` out from now on: sessions, logins, links and open streams end at once.

    Tokens they issued answer to nobody any longer and are refused while the person is out; resolver keys go on,
    since agents run on them. The last admin stays in.
    """
    at = at or clock.now()
    user, admins = _locked(user, actor)
    if not user.is_active:
        raise OperationRefused(f"{user} is kept out already.")
    _another_admin(user, admins)
    user.is_active = False
    _sign_out(user, at)
    user.save(update_fields=["is_active", "signed_out_at"])
    audit.record(actor, "disable person", user.email, reason=reason.strip()[:500], at=at)
    return user


@transaction.atomic
def enable(user: User, *, actor: Actor, at: datetime | None = None) -> User:
    """Let ``user`` in again, with the roles they had; what signed them in before stays over."""
    user, _ = _locked(user, actor)
    if user.is_active:
        raise OperationRefused(f"{user} may sign in already.")
    user.is_active = True
    user.save(update_fields=["is_active"])
    audit.record(actor, "enable person", user.email, data={"roles": user.roles}, at=at)
    return user


@transaction.atomic
def reset(user: User, *, actor: Actor, at: datetime | None = None) -> tuple[User, str]:
    """Sign ``user`` out everywhere, forget the password, and the secret of a link that signs them in once.

    Tokens they issued stay: they are machines', and revoked one by one. The last admin is not reset: a link that
    went astray would leave nobody who can let anybody in.
    """
    at = at or clock.now()
    user, admins = _locked(user, actor)
    _another_admin(user, admins)
    if not user.is_active:
        raise OperationRefused(f"{user} is kept out. Let them in first.")
    user.set_unusable_password()
    _sign_out(user, at)
    user.save(update_fields=["password", "signed_out_at"])
    secret = keys.make_sign_in_link(user, at=at)
    audit.record(actor, "reset person", user.email, at=at)
    return user, secret


def known(roles: Sequence[str]) -> None:
    """Refuse an empty or unknown set of roles."""
    if not roles:
        raise OperationRefused("Give at least one role; viewer is the least.", status=422)
    if unknown := [role for role in roles if role not in SiteRole.values]:
        raise OperationRefused(f"There is no role {unknown[0]!r}.", status=422)


def in_order(roles: Sequence[str]) -> list[str]:
    """Each role once, from viewer to admin."""
    return [role for role in SiteRole.values if role in roles]


def _locked(user: User, actor: Actor) -> tuple[User, list[User]]:
    """``user`` and every active admin as they stand now, locked: two admins cannot demote each other at once."""
    require(actor, Permission.ADMIN)
    rows = list(
        User.objects.select_for_update(no_key=True)
        .filter(Q(pk=user.pk) | Q(is_active=True, roles__contains=[SiteRole.ADMIN]))
        .order_by("pk")
    )
    admins = [row for row in rows if row.is_active and SiteRole.ADMIN in row.roles]
    if actor.person is not None and actor.person not in admins:  # demoted while this waited
        raise NotPermitted(refusal(actor, Permission.ADMIN))
    return next(row for row in rows if row.pk == user.pk), admins


def _another_admin(user: User, admins: Sequence[User]) -> None:
    """Refuse to lose the last admin; one who was invited and has never been in is none to rely on."""
    if user in admins and not any(_has_been_in(admin) for admin in admins if admin != user):
        raise OperationRefused(f"{user} is the only admin. Make somebody else admin first.")


def _has_been_in(user: User) -> bool:
    return user.last_login is not None or user.has_usable_password()


def _sign_out(user: User, at: datetime) -> None:
    """End what signed a locked ``user`` in; the caller saves."""
    user.signed_out_at = at
    PersonSession.objects.filter(user=user, revoked_at=None).update(revoked_at=at)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(user.pk)])
