"""A workspace that is connected, and one that is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.fake_slack import FakeSlack, fake_slack


@pytest.fixture
def slack(db: None) -> Iterator[FakeSlack]:
    """A Slack of the test's own, and this installation connected to it."""
    with fake_slack() as workspace, override_settings(**workspace.settings):
        yield workspace
