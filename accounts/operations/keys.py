"""Issuing, finding and revoking what machines and people authenticate with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import clock
from accounts.actors import Actor, Surface
from accounts.errors import OperationRefused
from accounts.models import ApiToken, PersonSession, ResolverKey, Scope, SignInLink, User
from accounts.operations import audit
from accounts.permissions import Permission, require
from accounts.secrets import digest_of, hint_of, new_secret

SESSION_LENGTH = timedelta(hours=12)
#: A key's last use is written at most this often, so that reading stays reading.
USE_RESOLUTION = timedelta(minutes=5)


@transaction.atomic
def issue_token(
    name: str, scopes: Iterable[str], *, issuer: User, actor: Actor, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new API token and its secret, which is shown this once."""
    require(actor, Permission.ADMIN)
    unknown = set(scopes) - {scope.value for scope in Scope}
    if unknown:
        raise OperationRefused(f"No such scope: {', '.join(sorted(unknown))}.", status=422)
    secret = new_secret("lgt")
    token = ApiToken.objects.create(
        name=name,
        scopes=sorted(set(scopes)),
        issued_by=issuer,
        expires_at=expires_at,
        digest=digest_of(secret),
        hint=hint_of(secret),
    )
    audit.record(actor, "issue token", name, data={"scopes": token.scopes})
    return token, secret


@transaction.atomic
def issue_resolver_key(
    name: str, environment: str, *, issuer: User, actor: Actor, expires_at: datetime | None = None
) -> tuple[ResolverKey, str]:
    """A new resolver key for one environment and its secret, which is shown this once."""
    require(actor, Permission.ADMIN)
    secret = new_secret("lgr")
    key = ResolverKey.objects.create(
        name=name,
        environment=environment,
        issued_by=issuer,
        expires_at=expires_at,
        digest=digest_of(secret),
        hint=hint_of(secret),
    )
    audit.record(actor, "issue resolver key", name, data={"environment": environment})
    return key, secret


@transaction.atomic
def revoke(key: ApiToken | ResolverKey, *, actor: Actor, at: datetime | None = None) -> None:
    """End a key now; a second call changes nothing."""
    require(actor, Permission.ADMIN)
    at = at or clock.now()
    if type(key).objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=at):
        key.revoked_at = at
        audit.record(actor, "revoke key", key.name, at=at)


def actor_of_bearer(secret: str, surface: Surface = Surface.API, at: datetime | None = None) -> Actor | None:
    """Who carries ``secret``: a token (automation) or a ``lastgood login`` session (a person); None if nobody."""
    at = at or clock.now()
    digest = digest_of(secret)
    token = ApiToken.objects.usable(at).select_related("issued_by").filter(digest=digest).first()
    if token is not None:
        if not token.issued_by.is_active:
            return None
        if token.last_used_at is None or at - token.last_used_at > USE_RESOLUTION:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=at)
        return Actor.of_token(token, surface)
    session = (
        PersonSession.objects.select_related("user")
        .filter(digest=digest, revoked_at=None, expires_at__gt=at, user__is_active=True)
        .first()
    )
    return Actor.of_user(session.user, surface) if session is not None and session.user is not None else None


def make_sign_in_link(user: User, *, valid: timedelta = timedelta(hours=1), at: datetime | None = None) -> str:
    """The secret of a link that signs ``user`` in, once."""
    at = at or clock.now()
    secret = new_secret("lgs")
    SignInLink.objects.create(user=user, digest=digest_of(secret), created_at=at, expires_at=at + valid)
    return secret


def made_since_signed_out() -> Q:
    """Links of whoever was signed out everywhere since are dead."""
    return Q(user__signed_out_at=None) | Q(created_at__gte=F("user__signed_out_at"))


@transaction.atomic
def use_sign_in_link(secret: str, *, at: datetime | None = None) -> User | None:
    """The person the link signs in, if it is unused and in time; it then is used up."""
    at = at or clock.now()
    link = (
        SignInLink.objects.select_for_update(no_key=True, of=("self",))
        .select_related("user")
        .filter(
            made_since_signed_out(), digest=digest_of(secret), used_at=None, expires_at__gt=at, user__is_active=True
        )
        .first()
    )
    if link is None:
        return None
    link.used_at = at
    link.save(update_fields=["used_at"])
    audit.record(Actor.of_user(link.user), "sign in by link", link.user.email)
    return link.user
