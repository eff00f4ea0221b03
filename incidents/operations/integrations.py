"""Which monitors may post to us: their keys, issued, changed and revoked."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from accounts.secrets import digest_of, hint_of, new_secret
from incidents import reading
from incidents.models import Integration

PREFIX = "lgi"


@transaction.atomic
def create(source: str, name: str, *, actor: Actor) -> tuple[Integration, str]:
    """A new integration and its key, the last part of its address, which is shown this once."""
    require(actor, Permission.ADMIN)
    if source not in reading.PARSERS:
        known = ", ".join(sorted(reading.PARSERS))
        raise OperationRefused(f"No such source: {source}. Choose one of {known}.", status=422)
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise OperationRefused("Give the integration a name of at most 100 characters.", status=422)
    secret = new_secret(PREFIX)
    integration = Integration.objects.create(
        source=source, name=name, digest=digest_of(secret), hint=hint_of(secret), created_at=clock.now()
    )
    audit.record(actor, "create integration", f"{source}: {name}")
    return integration, secret


@transaction.atomic
def rotate(integration: Integration, *, actor: Actor) -> str:
    """A new key; the old one is refused from this moment."""
    integration = _usable(integration, actor)
    secret = new_secret(PREFIX)
    integration.digest, integration.hint = digest_of(secret), hint_of(secret)
    integration.save(update_fields=["digest", "hint"])
    audit.record(actor, "rotate integration key", f"{integration.source}: {integration.name}")
    return secret


@transaction.atomic
def revoke(integration: Integration, *, actor: Actor, at: datetime | None = None) -> Integration:
    """Refuse this integration's key from now on; what it sent stays."""
    integration = _usable(integration, actor)
    integration.revoked_at = at or clock.now()
    integration.save(update_fields=["revoked_at"])
    audit.record(actor, "revoke integration", f"{integration.source}: {integration.name}")
    return integration


def _usable(integration: Integration, actor: Actor) -> Integration:
    require(actor, Permission.ADMIN)
    found = Integration.objects.select_for_update(no_key=True).get(pk=integration.pk)
    if found.revoked_at is not None:
        raise OperationRefused(f"{found.name} is revoked. Create another integration.")
    return found
