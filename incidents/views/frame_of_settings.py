"""What every tab of the settings needs."""

from __future__ import annotations

from typing import Any

from accounts.actors import Actor
from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.http import Rights
from accounts.middleware import ActorRequest
from accounts.models import SiteRole


def acting(request: ActorRequest) -> Actor:
    """Who asks; these doors let nobody else in."""
    if request.actor is None:
        raise OperationRefused("Sign in first.", status=403)
    return request.actor


def common(request: ActorRequest) -> dict[str, Any]:
    """What every tab shows around its own content."""
    return {"may": Rights(request.actor), "site_roles": SiteRole.values, "at": now()}
