"""Who has the page open, so that nobody is surprised by another's text. Worth a minute, kept no longer than a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.permissions import Permission, require
from incidents.models import Postmortem, Presence
from incidents.operations.refusals import person

KEPT = timedelta(days=1)


@transaction.atomic
def here(postmortem: Postmortem, *, actor: Actor, section: str = "", at: datetime | None = None) -> Presence:
    """Note that the actor has the page open, with ``section`` under their hands; forgets who left long ago."""
    user = person(actor, "be here")
    require(actor, Permission.RESPOND)
    at = at or clock.now()
    Presence.objects.filter(postmortem=postmortem, seen_at__lt=at - KEPT).delete()
    seen, _ = Presence.objects.update_or_create(
        postmortem=postmortem, user=user, defaults={"section": section[:20], "seen_at": at}
    )
    return seen
