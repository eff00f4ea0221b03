"""A workspace that is connected, and one that is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.test import override_settings

from accounts.models import User
from incidents.models import Incident
from tests.factories.incidents import incident, someone
from tests.factories.rollouts import running
from tests.fake_slack import ELSEWHERE, FakeSlack, fake_slack
from tests.slack_requests import linked, say


@pytest.fixture
def slack(db: None) -> Iterator[FakeSlack]:
    """A Slack of the test's own, and this installation connected to it."""
    with fake_slack() as workspace, override_settings(**workspace.settings):
        yield workspace


@pytest.fixture
def mara(slack: FakeSlack) -> User:
    """A responder, linked."""
    slack.channels[ELSEWHERE] = "random"
    slack.members.add(ELSEWHERE)
    return linked(someone("Mara"))


@pytest.fixture
def room(mara: User, noon: datetime) -> Incident:
    """An open incident about an agent that can go back, whose card stands in the channel."""
    made = incident(running("2.0.0", "2.1.0"), severity="SEV2", title="Refunds <!channel> & more")
    say()
    return made
