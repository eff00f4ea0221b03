"""The keys one agent is connected with: made together, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from accounts.actors import Actor
from accounts.models import ApiToken, ResolverKey, Scope
from accounts.operations import keys
from incidents.models import Integration
from incidents.operations import integrations
from incidents.operations.refusals import person
from rollouts.names import parse_key


@dataclass(frozen=True, slots=True)
class Made:
    """Rows and their secrets, which nobody can show again."""

    resolver: ResolverKey
    resolver_key: str
    token: ApiToken
    telemetry_token: str
    integration: Integration | None = None
    intake_key: str = ""


def name_of(agent: str, environment: str) -> str:
    """What keys of this agent are called in the lists."""
    return f"{agent} in {environment}"[:100]


@transaction.atomic
def make_keys(
    agent: str, environment: str, *, actor: Actor, monitor: str = "", expires_at: datetime | None = None
) -> Made:
    """A resolver key of ``environment``, a telemetry token and, with ``monitor``, an address for its alerts.

    A resolver key opens every bundle of its environment: it is called after the agent, not bound to it.
    """
    issuer = person(actor, "make keys")
    name = name_of(str(parse_key(agent)), environment)
    resolver, resolver_key = keys.issue_resolver_key(
        name, environment, issuer=issuer, actor=actor, expires_at=expires_at
    )
    token, telemetry_token = keys.issue_token(
        name, [Scope.TELEMETRY], issuer=issuer, actor=actor, expires_at=expires_at
    )
    if not monitor:
        return Made(resolver, resolver_key, token, telemetry_token)
    integration, intake_key = integrations.create(monitor, name, actor=actor)
    return Made(resolver, resolver_key, token, telemetry_token, integration, intake_key)
