"""Senders whose clock is a day off: kept as they said it, placed by our own clock, refused only where it would lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.scene import count, intake
from tests.intakes import alert, notification
from tests.processes import Workbench

pytestmark = pytest.mark.story


@pytest.mark.parametrize("days", [-1, 1, -400, 400])
def test_an_alert_from_another_day_opens_an_incident_of_now(site: Workbench, days: int) -> None:
    said = datetime.now(UTC) + timedelta(days=days)
    sent = notification(alert(f"off by {days}") | {"startsAt": said.isoformat()}, group=f"off by {days}")
    answer = site.http.post(intake(site), json=sent)
    assert answer.status_code == 200, answer.text
    ref = answer.json()["alerts"][0]["incident"]
    shown = site.http.get(f"/api/v1/incidents/{ref}", headers=site.token()).json()
    opened = datetime.fromisoformat(shown["opened_at"])
    assert abs(opened - datetime.now(UTC)) < timedelta(minutes=2), "we saw it now, whatever its sender's clock says"
    assert all(
        abs(datetime.fromisoformat(entry["at"]) - datetime.now(UTC)) < timedelta(minutes=2)
        for entry in shown["timeline"]
    )


def span(trace: str, at: datetime) -> dict[str, Any]:
    nanos = int(at.timestamp() * 1e9)
    return {
        "traceId": trace * 32,
        "spanId": trace * 16,
        "name": "chat",
        "startTimeUnixNano": str(nanos),
        "endTimeUnixNano": str(nanos + 1_000_000),
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
    }


def test_spans_of_yesterday_are_kept_and_spans_beyond_tomorrow_are_refused_by_count(site: Workbench) -> None:
    now = datetime.now(UTC)
    spans = [
        span("a", now),
        span("b", now - timedelta(days=1)),
        span("c", now + timedelta(hours=23)),
        span("d", now + timedelta(days=2)),
        span("e", now - timedelta(days=400)),
        span("f", datetime.fromtimestamp(0, UTC)),
    ]
    key = {"Authorization": f"Bearer {site.credentials['otlp_key']}"}
    sent = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    for _ in range(2):  # a sender may repeat what it got no answer to
        answer = site.http.post("/v1/traces", json=sent, headers=key)
        assert answer.status_code == 200, answer.text
        partly = answer.json()["partialSuccess"]
        assert int(partly["rejectedSpans"]) == 3
        assert "check the sender's clock" in partly["errorMessage"]
    kept = "trace_id IN ('" + "', '".join(letter * 32 for letter in "abcdef") + "')"
    assert count(site, "rollouts_invocation", kept) == 3
