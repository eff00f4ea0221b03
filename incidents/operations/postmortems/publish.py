"""Making the page final: a revision that never changes, and the names of people under it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import chain, clock
from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole, User, acted_by
from accounts.permissions import Permission, require
from incidents.models import Incident, Postmortem, PostmortemRevision, Responder, SignOff, TimelineEntry
from incidents.operations import timeline
from incidents.operations.postmortems.content import content_of
from incidents.operations.postmortems.edit import PINGS, lock
from incidents.operations.refusals import known, person

ROOM = (*PINGS, "exits", "rail", "board")


@transaction.atomic
def publish(postmortem: Postmortem, *, actor: Actor, at: datetime | None = None) -> PostmortemRevision:
    """Keep the page as it is now. The same page again is the revision it already was."""
    person(actor, "publish a postmortem")
    require(actor, Permission.COMMAND)
    at = at or clock.now()
    incident = timeline.lock(postmortem.incident)
    page = lock(postmortem, actor)
    content = content_of(page)
    digest = digest_of(content)
    latest = page.revisions.first()
    if latest is not None and latest.digest == digest:
        return latest
    revision = PostmortemRevision.objects.create(
        postmortem=page,
        number=latest.number + 1 if latest is not None else 1,
        content=content,
        digest=digest,
        at=at,
        **acted_by(actor),
    )
    timeline.append(
        incident,
        TimelineEntry.Kind.PUBLISHED,
        f"Postmortem published, revision {revision.number}",
        actor=actor,
        at=at,
        data={"revision": revision.number, "digest": digest},
        ping=ROOM,
    )
    return revision


@transaction.atomic
def sign(revision: PostmortemRevision, *, actor: Actor, role: str, at: datetime | None = None) -> SignOff:
    """Put one's name under the newest revision, as ``commander`` or ``approver``.

    One person signs both only when nobody else could sign the second.
    """
    user = person(actor, "sign a postmortem")
    require(actor, Permission.VIEW)
    known(role, SignOff.Role.values, "role")
    at = at or clock.now()
    incident = timeline.lock(revision.postmortem.incident)
    _may_sign(user, incident, role)
    page = Postmortem.objects.select_for_update(no_key=True, of=("self",)).get(pk=revision.postmortem_id)
    if incident.documented_at is not None or incident.document_skipped_at is not None:
        raise OperationRefused(f"{incident.ref} is signed off. Reopen it to sign another revision.")
    latest = page.revisions.first()
    if latest is None or latest.pk != revision.pk:
        number = latest.number if latest is not None else 0
        raise OperationRefused(f"Revision {revision.number} is not the newest. Read and sign revision {number}.")
    signed = {each.role: each for each in revision.sign_offs.select_related("user")}
    if role in signed:
        if signed[role].user_id == user.pk:
            return signed[role]
        raise OperationRefused(f"{signed[role].user} has signed revision {revision.number} as {role} already.")
    others = [other for other in signers(incident, role) if other.pk != user.pk]
    if others and any(each.user_id == user.pk for each in signed.values()):
        names = ", ".join(str(other) for other in others[:3])
        raise OperationRefused(f"You have signed in the other role. Somebody else can sign as {role}: {names}.")
    signature = SignOff.objects.create(revision=revision, role=role, at=at, **acted_by(actor))
    timeline.append(
        incident,
        TimelineEntry.Kind.SIGNED,
        f"Postmortem revision {revision.number} signed as {role}",
        actor=actor,
        at=at,
        data={"revision": revision.number, "role": role},
        ping=ROOM,
    )
    return signature


def signers(incident: Incident, role: str) -> list[User]:
    """Everybody who could sign in this role now."""
    people = User.objects.filter(is_active=True).order_by("name", "pk")
    if role == SignOff.Role.APPROVER:
        return list(people.filter(roles__overlap=[SiteRole.APPROVER, SiteRole.ADMIN]))
    holding = Responder.objects.filter(incident=incident, duty=Responder.Duty.COMMANDER, to_at=None).values("user")
    wide = people.filter(roles__overlap=[SiteRole.COMMANDER, SiteRole.ADMIN]) | people.filter(pk__in=holding)
    return list(wide.distinct())


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256, hex, over RFC 8785 JSON."""
    return hashlib.sha256(chain.canonical_json(content)).hexdigest()


def _may_sign(user: User, incident: Incident, role: str) -> None:
    if user not in signers(incident, role):
        who = "an approver" if role == SignOff.Role.APPROVER else "this incident's commander, or the role commander"
        raise NotPermitted(f"Signing as {role} takes {who}.")
