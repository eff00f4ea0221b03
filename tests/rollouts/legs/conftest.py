"""What tests of legs stand on: loopback may be reached."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from tests import hooks


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]


@pytest.fixture
def hook(loopback: None) -> Iterator[hooks.Hook]:
    with hooks.listening() as listening:
        yield listening
