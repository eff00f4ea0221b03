"""Somebody at a browser: signed in, asking for whole pages or, as htmx does, for one region."""

from __future__ import annotations

from typing import Any

from django.test import Client, TestCase

from accounts.models import SiteRole, User
from tests.factories.accounts import UserFactory

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


class Browser:
    """A person's browser; without ``user`` a fresh person holding ``roles`` (responder unless said)."""

    def __init__(self, *roles: str, user: User | None = None) -> None:
        self.user = user or UserFactory(roles=list(roles) or [SiteRole.RESPONDER])
        self.client = Client()
        self.client.force_login(self.user, backend=BACKEND)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query or None)

    def region(self, path: str, target: str, tag: str = "", **query: Any) -> Any:
        """What htmx gets for the element ``target``, such as ``section#legs``; ``tag`` is what it holds already."""
        headers = HTMX | {"HX-Target": target} | ({"HX-PTag": tag} if tag else {})
        return self.client.get(path, query or None, headers=headers)

    def press(self, path: str, **fields: Any) -> Any:
        """A form sent without script."""
        with TestCase.captureOnCommitCallbacks(execute=True):
            return self.client.post(path, fields)

    def press_in(self, target: str, path: str, **fields: Any) -> Any:
        """A form sent by htmx, its answer meant for ``target``."""
        with TestCase.captureOnCommitCallbacks(execute=True):
            return self.client.post(path, fields, headers=HTMX | {"HX-Target": target})


def text(answer: Any) -> str:
    """The body as text."""
    return str(answer.content.decode())
