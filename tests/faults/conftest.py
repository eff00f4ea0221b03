"""One server that the fault tests of a test process share: each test ships a bundle of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.processes import Workbench, installed


@pytest.fixture(scope="session")
def shared(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    with installed() as workbench:
        workbench.start("server")
        yield workbench


@pytest.fixture
def site(shared: Workbench, django_db_blocker: Any) -> Iterator[Workbench]:
    """A running server; with ``its_rows(site)`` its database is within reach of models and operations."""
    with django_db_blocker.unblock():
        yield shared
