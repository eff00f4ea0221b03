"""Real senders of PagerDuty's Events API v2, pointed here: its Python client, and Alertmanager's own receiver."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from pagerduty import EventsApiV2Client, HttpError

from tests.peers import test_alertmanager as alertmanager
from tests.processes import Workbench
from tests.programs import needed

pytestmark = [pytest.mark.peer, pytest.mark.story]

CONFIGURATION = """
route:
  receiver: lastgood
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 500ms
  repeat_interval: 1s
receivers:
  - name: lastgood
    pagerduty_configs:
      - routing_key: {key}
        url: {address}/v2/enqueue
        severity: critical
        component: customer-service
        send_resolved: true
"""


class WithoutTls(httpx2.HTTPTransport):
    """Leaves TLS, which the client insists on and a proxy in front of us would end, off the wire."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(scheme="http")
        return super().handle_request(request)


def client_of(workbench: Workbench, key: str) -> EventsApiV2Client:
    address = workbench.url.replace("http://", "https://")
    return EventsApiV2Client(key, base_url=address, transport=WithoutTls())


def test_the_python_client_triggers_acknowledges_resolves_and_tells_of_changes(
    start_workbench: Callable[..., Workbench],
) -> None:
    workbench = start_workbench("server")
    key = workbench.credentials["intake"]["pagerduty-events-v2"]

    def one(statement: str) -> Any:
        return workbench.sql(statement)[0][0]

    with client_of(workbench, key) as client, client_of(workbench, "nobody") as nobody:
        made = client.trigger(
            "Refund success below 95 %",
            "refunds-eu-1",
            severity="error",
            custom_details={"agent": "customer-service"},
            links=[{"href": "https://runbooks.example/r", "text": "Runbook"}],
        )
        assert one("SELECT dedup_key FROM incidents_alert") == made
        assert one("SELECT title || ' ' || severity FROM incidents_incident") == "Refund success below 95 % SEV2"
        assert client.trigger("Refund success below 90 %", "refunds-eu-1", dedup_key=made, severity="error") == made
        assert client.acknowledge(made) == made
        assert one("SELECT acknowledged_at FROM incidents_incident") is None
        assert client.resolve(made) == made
        assert one("SELECT status FROM incidents_incident") == "recovered"
        assert one("SELECT title FROM incidents_alert") == "Refund success below 90 %"

        began = datetime.now(UTC)
        # The timestamp as the client would write it, an offset and a Z, had it not lost its module on the way.
        client.submit(
            "Deployed checkout 7.2",
            "deploy pipeline",
            links=[{"href": "https://ci.example/7", "text": "7"}],
            timestamp=f"{began.isoformat()}Z",
        )
        assert one("SELECT count(*) FROM incidents_changeevent WHERE NOT at_assumed") == 1
        assert one("SELECT at FROM incidents_changeevent") == began
        assert one("SELECT count(*) FROM incidents_incident") == 1

        for refused, severity, status in ((nobody, "info", 401), (client, "purple", 400)):
            with pytest.raises(HttpError) as refusal:
                refused.trigger("x", "y", severity=severity)
            assert refusal.value.response is not None
            assert refusal.value.response.status_code == status


def test_alertmanager_s_pagerduty_receiver_fires_and_resolves(
    start_workbench: Callable[..., Workbench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = needed("alertmanager")
    workbench = start_workbench("server")
    key = workbench.credentials["intake"]["pagerduty-events-v2"]
    monkeypatch.setattr(alertmanager, "CONFIGURATION", CONFIGURATION.replace("{key}", key))

    def one(statement: str) -> Any:
        return workbench.sql(statement)[0][0]

    with (
        alertmanager.running(program, tmp_path, workbench.url) as manager,
        httpx.Client(base_url=manager, timeout=5, trust_env=False) as client,
    ):

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return client.get("/-/ready").is_success
            return False

        def tell(**times: str) -> None:
            sent = {"labels": {"alertname": "RefundSuccessLow", "severity": "critical"}, "annotations": {}, **times}
            client.post("/api/v2/alerts", json=[sent]).raise_for_status()

        workbench.eventually(ready)
        began = datetime.now(UTC)
        tell(startsAt=began.isoformat(), endsAt=(began + timedelta(hours=1)).isoformat())
        workbench.eventually(lambda: one("SELECT count(*) FROM incidents_incident") == 1)
        assert one("SELECT severity FROM incidents_incident") == "SEV1"
        assert one("SELECT labels ->> 'component' FROM incidents_alert") == "customer-service"
        tell(startsAt=began.isoformat(), endsAt=datetime.now(UTC).isoformat())
        workbench.eventually(lambda: one("SELECT status FROM incidents_incident") == "recovered")
    assert one("SELECT count(*) FROM incidents_alert") == 1
    assert one("SELECT title FROM incidents_alert").startswith("[FIRING:1]")
    assert one("SELECT count(*) FROM incidents_receipt WHERE status <> 'processed'") == 0
