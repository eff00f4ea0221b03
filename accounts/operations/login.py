"""Signing a person in at a command line: a device code, approved in a browser where they are signed in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import PersonSession, User
from accounts.operations import audit
from accounts.operations.keys import SESSION_LENGTH
from accounts.secrets import digest_of, new_secret

APPROVE_WITHIN = timedelta(minutes=10)
#: Anybody may begin a login, so what strangers can make us store is bounded: this many a minute, kept for a day.
STARTS_PER_MINUTE = 60
KEPT_UNAPPROVED = timedelta(days=1)
#: No vowels and no look-alikes: the code is read from one screen and compared on another.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ23456789"


@dataclass(frozen=True, slots=True)
class Started:
    """What the command line needs: a secret to poll with, and a code to show."""

    device_code: str
    user_code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """A session secret, shown this once."""

    session: str
    expires_at: datetime
    user: User


def start(*, at: datetime | None = None) -> Started:
    """Begin a login; nobody is signed in until a person approves it. Refused (429) when too many were begun."""
    at = at or clock.now()
    begun = PersonSession.objects.filter(approved_at=None)
    begun.filter(approve_until__lt=at - KEPT_UNAPPROVED).delete()
    if begun.filter(created_at__gt=at - timedelta(minutes=1)).count() >= STARTS_PER_MINUTE:
        raise OperationRefused("Too many logins were started. Try again in a minute.", status=429)
    device_code = new_secret("lgd")
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    session = PersonSession.objects.create(
        device_digest=digest_of(device_code),
        user_code=f"{letters[:4]}-{letters[4:]}",
        created_at=at,
        approve_until=at + APPROVE_WITHIN,
    )
    return Started(device_code, session.user_code, session.approve_until)


def waiting(user_code: str, *, at: datetime | None = None) -> PersonSession | None:
    """The login that waits for approval under this code, if it is in time."""
    at = at or clock.now()
    return PersonSession.objects.filter(user_code=user_code, approved_at=None, approve_until__gt=at).first()


@transaction.atomic
def approve(user_code: str, *, actor: Actor, at: datetime | None = None) -> PersonSession:
    """The signed-in person says that this login is theirs."""
    at = at or clock.now()
    if actor.person is None:
        raise NotPermitted("Only a signed-in person can approve a login.")
    session = (
        PersonSession.objects.select_for_update(no_key=True)
        .filter(user_code=user_code, approved_at=None, approve_until__gt=at)
        .first()
    )
    if session is None:
        raise OperationRefused("This code has been used or has expired. Run lastgood login again.")
    session.user, session.approved_at = actor.person, at
    session.save(update_fields=["user", "approved_at"])
    audit.record(actor, "approve login", actor.person.email, data={"code": user_code}, at=at)
    return session


@transaction.atomic
def redeem(device_code: str, *, at: datetime | None = None) -> Granted | None:
    """The session, once approved; None while waiting. Refused when the code is unknown, late or already used."""
    at = at or clock.now()
    session = (
        PersonSession.objects.select_for_update(no_key=True, of=("self",))
        .select_related("user")
        .filter(device_digest=digest_of(device_code))
        .first()
    )
    late = session is not None and at >= session.approve_until + (
        APPROVE_WITHIN if session.approved_at else timedelta()
    )
    if session is None or session.digest is not None or session.revoked_at is not None or late:
        raise OperationRefused("This login has been used or has expired. Run lastgood login again.", status=410)
    if session.user is None:
        return None
    secret = new_secret("lgp")
    session.digest, session.expires_at = digest_of(secret), at + SESSION_LENGTH
    session.save(update_fields=["digest", "expires_at"])
    return Granted(secret, session.expires_at, session.user)


def _last_moment(session: PersonSession) -> datetime:
    """Until when the command line may fetch its session: an approval is worth as long as the waiting for it."""
    return session.approve_until + (APPROVE_WITHIN if session.approved_at else timedelta(0))
