"""A spike of latency or cost after a rollback is labelled as the cache miss that was forecast (R026)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents.models import Alert, Incident
from incidents.operations import contain, moves
from rollouts.models import Rollback
from rollouts.operations import leg_work
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import incident
from tests.factories.rollouts import KEY, running
from tests.intakes import alert, integration, notification, send
from tests.spans import span, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(noon: datetime, clock: MovableClock) -> Incident:
    """An incident whose rollback forecast a cold cache."""
    where = running("1.0.0", "2.0.0")
    clock.advance(minutes=30)
    said: dict[str, Any] = {
        "gen_ai.operation.name": "chat", "lastgood.bundle": KEY, "lastgood.version": "2.0.0",
        "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.cache_read.input_tokens": 800,
    }  # fmt: skip
    told(*(span(said, at=noon + timedelta(minutes=n + 1)) for n in range(5)))
    made = incident(where, severity="SEV2")
    contain.roll_back(made, actor=person())
    moves.sweep()
    leg_work.work_due()
    return made


def arrives(name: str) -> Alert:
    send(integration()[0], notification(alert(name, agent=KEY, alertname=name, title=name), group=name))
    return Alert.objects.latest("pk")


def test_a_spike_of_latency_within_the_hour_joins_its_incident_and_says_why(room: Incident) -> None:
    made = arrives("P95LatencyHigh")
    assert made.incident == room
    assert made.grouped_by.startswith("Expected: the prefix cache is cold since the rollback to 1.0.0")
    entry = room.timeline.filter(kind="alert").latest("sequence")
    assert "Expected: the prefix cache is cold" in entry.text
    assert Incident.objects.count() == 1


def test_other_trouble_and_later_spikes_open_incidents_of_their_own(room: Incident, clock: MovableClock) -> None:
    assert arrives("ErrorRateHigh").incident != room
    clock.advance(hours=2)
    Incident.objects.exclude(pk=room.pk).update(
        resolved_at=None, contained_at=Rollback.objects.get().flipped_at + timedelta(hours=3)
    )
    assert arrives("P95LatencyHigh").incident != room
