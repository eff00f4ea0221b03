"""The real Alertmanager as sender: fires, repeats, resolves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import Workbench, free_port
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
    webhook_configs:
      - url: {address}
        send_resolved: true
"""


@contextlib.contextmanager
def running(program: str, folder: Path, address: str) -> Iterator[str]:
    """The base URL of an Alertmanager that notifies ``address``."""
    (folder / "alertmanager.yml").write_text(CONFIGURATION.format(address=address))
    port = free_port()
    argv = [program, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_alertmanager_fires_repeats_and_resolves(start_workbench: Callable[..., Workbench], tmp_path: Path) -> None:
    program = needed("alertmanager")
    workbench = start_workbench("server")
    address = f"{workbench.url}/intake/alertmanager/{workbench.credentials['intake']['alertmanager']}"

    def one(statement: str) -> Any:
        return workbench.sql(statement)[0][0]

    with (
        running(program, tmp_path, address) as manager,
        httpx.Client(base_url=manager, timeout=5, trust_env=False) as client,
    ):

        def ready() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return client.get("/-/ready").is_success
            return False

        def tell(**times: str) -> None:
            labels = {"alertname": "RefundSuccessLow", "severity": "critical", "agent": "customer-service"}
            sent = {"labels": labels, "annotations": {"summary": "Refund success below 95 %"}, **times}
            client.post("/api/v2/alerts", json=[sent]).raise_for_status()

        workbench.eventually(ready)
        began = datetime.now(UTC)
        tell(startsAt=began.isoformat(), endsAt=(began + timedelta(hours=1)).isoformat())
        workbench.eventually(lambda: one("SELECT count(*) FROM incidents_incident") == 1)
        assert one("SELECT title FROM incidents_incident") == "Refund success below 95 %"
        assert one("SELECT severity FROM incidents_incident") == "SEV1"

        workbench.eventually(lambda: one("SELECT max(received_count) FROM incidents_alert") >= 3)
        assert one("SELECT count(*) FROM incidents_timelineentry WHERE kind IN ('opened', 'alert')") == 1

        tell(startsAt=began.isoformat(), endsAt=datetime.now(UTC).isoformat())
        workbench.eventually(lambda: one("SELECT status FROM incidents_incident") == "recovered")
    assert one("SELECT count(*) FROM incidents_alert") == 1
    assert one("SELECT count(*) FROM incidents_receipt WHERE status <> 'processed'") == 0
