"""Connectors for tests, made by the operation that makes real ones."""

from __future__ import annotations

from typing import Any

from accounts.models import SiteRole
from rollouts.models import Connector
from rollouts.operations import connectors
from tests import hooks, systems
from tests.factories.accounts import person


def webhook(hook: hooks.Hook, *legs: str, repeat: str = "safe", **more: Any) -> Connector:
    """A signed webhook that works for ``legs``."""
    return made("webhook", {"address": hook.url, "repeat": repeat}, legs=legs or ("semantic_cache",), **more)


def redis(there: systems.Redis, pattern: str = "answers:{key}:{label}:*", **more: Any) -> Connector:
    config = {"address": f"redis://127.0.0.1:{there.port}/0", "pattern": pattern}
    return made("redis", config, legs=("semantic_cache",), **more)


def langfuse(there: systems.Langfuse, **more: Any) -> Connector:
    return made("langfuse", {"address": there.url, "public_key": "pk-lf-1"}, secret="sk-lf-1", **more)


def cdevents(hook: hooks.Hook, **more: Any) -> Connector:
    return made("cdevents", {"address": hook.url}, **more)


def made(kind: str, config: dict[str, str], **more: Any) -> Connector:
    name = more.pop("name", f"{kind} {Connector.objects.count()}")
    return connectors.create(actor=person(SiteRole.ADMIN), kind=kind, name=name, config=config, **more)[0]
