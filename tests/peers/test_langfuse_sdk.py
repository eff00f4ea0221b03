"""Langfuse's own SDK, unmodified, resolving prompts from bundles by changing its host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.operations import keys
from rollouts.operations.roll_back import roll_back
from tests import databases
from tests.factories.accounts import SHELL, UserFactory, person
from tests.factories.rollouts import activate, running, version
from tests.resolvers import Resolver, running_resolver, wait_until

langfuse = pytest.importorskip("langfuse", reason="the Langfuse SDK is not installed")
pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def resolver(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Resolver, str]]:
    """A resolver process on a database of its own, and a key of prod."""
    with django_db_blocker.unblock(), databases.copied_database("langfuse") as name, databases.pointed_at(name):
        key = keys.issue_resolver_key("peer", "prod", issuer=UserFactory(), actor=SHELL)[1]
        with running_resolver(databases.url_of(name)) as found:
            yield found, key
        connection.close()


@pytest.fixture
def sdk(resolver: tuple[Resolver, str]) -> Iterator[Any]:
    made = langfuse.Langfuse(
        public_key="pk-lf-ignored", secret_key=resolver[1], base_url=resolver[0].url, tracing_enabled=False
    )
    yield made
    made.shutdown()


def prompt(sdk: Any, name: str, **which: Any) -> Any:
    return sdk.get_prompt(name, cache_ttl_seconds=0, max_retries=0, **which)


def test_the_sdk_compiles_a_bundles_prompt_and_reads_its_model_and_digest(sdk: Any) -> None:
    made = version("greeting", "1.0.0", text="Hello {{name}}")
    activate(made)
    found = wait_until(lambda: prompt(sdk, "greeting", fallback="none").version and prompt(sdk, "greeting"), "served")
    assert (found.name, found.version, found.labels) == ("greeting", 1, ["production", "staging"])
    assert found.compile(name="Ada") == "Hello Ada"
    assert found.config["digest"] == made.digest
    assert found.config["model"]["provider"] == "anthropic"
    assert prompt(sdk, "greeting", label="production").version == 1
    assert prompt(sdk, "greeting", version=1).prompt == "Hello {{name}}"


def test_a_rollback_reaches_the_sdk_with_its_next_uncached_read(sdk: Any) -> None:
    where = running("1.0.0", "2.0.0", key="taken")
    wait_until(lambda: prompt(sdk, "taken", fallback="none").version == 2, "the newer version is served")
    roll_back(where, actor=person())
    wait_until(lambda: prompt(sdk, "taken").version == 1, "the older version is served", 1)


def test_what_is_not_there_leaves_the_sdk_with_its_fallback(sdk: Any) -> None:
    found = prompt(sdk, "nobody", fallback="mine")
    assert (found.prompt, found.is_fallback, found.version) == ("mine", True, 0)
