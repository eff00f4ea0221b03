"""The first start of an empty installation: one admin, and a key for every door."""

from __future__ import annotations

import secrets
from typing import Any

from django.db import connection, transaction

from accounts import clock
from accounts.actors import Actor, Surface
from accounts.models import Scope, SiteRole, User
from accounts.operations import keys
from incidents import reading
from incidents.models import OnCall
from incidents.operations import integrations

FIRST_START_LOCK = 0x1A57_0002
#: What the practice fleet needs: it uses public doors only, with a token of its own.
PRACTICE_SCOPES = [Scope.READ, Scope.PUSH, Scope.APPROVER, Scope.TELEMETRY]


@transaction.atomic
def first_start(base_url: str) -> dict[str, Any] | None:
    """Make the first admin and keys, and return what ``var/credentials.json`` holds (CONTRACT §2).

    None when there are people already: secrets are stored as digests and cannot be shown again.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FIRST_START_LOCK])
    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(15)
    admin = User.objects.create_superuser("admin@lastgood.localhost", password, name="Admin", roles=[SiteRole.ADMIN])
    OnCall.objects.create(user=admin, from_at=clock.now())
    actor = Actor.automation("first start", Surface.COMMAND)
    _, token = keys.issue_token("api token", [scope.value for scope in Scope], issuer=admin, actor=actor)
    _, otlp_key = keys.issue_token("telemetry", [Scope.TELEMETRY], issuer=admin, actor=actor)
    _, practice = keys.issue_token("practice fleet", PRACTICE_SCOPES, issuer=admin, actor=actor)
    _, ofrep_key = keys.issue_resolver_key("prod runtimes", "prod", issuer=admin, actor=actor)
    return {
        "base_url": base_url,
        "admin": {"email": admin.email, "password": password},
        "token": token,
        "ofrep_key": ofrep_key,
        "otlp_key": otlp_key,
        "practice_token": practice,
        "intake": {source: integrations.create(source, source, actor=actor)[1] for source in sorted(reading.PARSERS)},
    }


def sign_in_link(base_url: str) -> str:
    """A one-time link that signs the first admin in, for whoever started the server."""
    admin = User.objects.filter(is_active=True, roles__contains=[SiteRole.ADMIN]).order_by("pk").first()
    return f"{base_url}/sign-in/{keys.make_sign_in_link(admin)}/" if admin else f"{base_url}/accounts/login/"
