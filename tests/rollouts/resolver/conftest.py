"""One database and one resolver per module: rows are committed, so each test makes a bundle of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from django.db import connection

from accounts.operations import keys
from tests import databases
from tests.factories.accounts import SHELL, UserFactory
from tests.resolvers import Resolver, running_resolver


@dataclass(frozen=True)
class World:
    """A database with a resolver on it, and keys to ask it with."""

    database: str
    resolver: Resolver
    key: str
    staging_key: str

    def evaluate(self, flag: str, context: dict[str, Any] | None = None, key: str | None = None) -> httpx.Response:
        """One evaluation, as an agent of prod."""
        with self.resolver.client(self.key if key is None else key) as client:
            return client.post(f"/ofrep/v1/evaluate/flags/{flag}", json={"context": context or {}})

    def value(self, flag: str, context: dict[str, Any] | None = None) -> Any:
        """The value of a flag, None while it is not found."""
        answer = self.evaluate(flag, context)
        return answer.json()["value"] if answer.is_success else None


def new_key(environment: str = "prod") -> str:
    """The secret of a fresh resolver key."""
    return keys.issue_resolver_key(f"agents of {environment}", environment, issuer=UserFactory(), actor=SHELL)[1]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with (
        django_db_blocker.unblock(),
        databases.copied_database("resolver") as name,
        databases.pointed_at(name),
        running_resolver(databases.url_of(name)) as resolver,
    ):
        yield World(name, resolver, new_key(), new_key("staging"))
        connection.close()
