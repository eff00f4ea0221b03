"""Durable alerts per second through the door, receipt to page rows, beside bare psycopg on one connection.

The floor writes the same receipts and alerts into the same tables, one transaction per body, and nothing else: no
HTTP, no parsing, no incidents, no entries, no pages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import stand

#: Floor and door take turns in short slices, since a shared machine is not equally fast from second to second.
SLICES = 4
SECONDS = 0.7
#: Different bodies; after them they repeat, as a monitor repeats what still fires.
BODIES = {1: 4096, 64: 64}
CONNECTIONS = {1: 64, 64: 32}
#: Alerts of one group, and so of one incident, at batch 1; at batch 64 each body is a group.
GROUP = 16
PREPARE = """
import django; django.setup()
from django.utils import timezone
from accounts.actors import Actor, Surface
from accounts.models import SiteRole, User
from incidents.models import OnCall
from incidents.operations import integrations, opening
actor = Actor.automation("benchmark", Surface.COMMAND)
user = User.objects.create_user("bench@example.com", roles=[SiteRole.ADMIN])
OnCall.objects.create(user=user, from_at=timezone.now())
for name in ("first", "second"):
    made, key = integrations.create("alertmanager", name, actor=actor)
    print(made.pk, key)
print(opening.open_incident(actor=actor, title="floor").pk, "-")
"""


def body(batch: int, number: int) -> bytes:
    """The ``number``-th Alertmanager notification, with ``batch`` alerts no other has."""
    group = f"{batch}-{number // GROUP if batch == 1 else number}"
    alerts = [
        {
            "status": "firing",
            "labels": {
                "alertname": "RefundSuccessLow",
                "severity": "critical",
                "agent": "customer-service",
                "region": "eu-west-1",
                "instance": f"cs-{number}-{each}",
            },
            "annotations": {
                "summary": f"Refund success of cs-{number}-{each} below 95 %",
                "metric": "refund_success_rate",
                "comparator": "<",
                "threshold": "0.95",
                "value": "0.71",
                "window": "15m",
            },
            "startsAt": "2026-11-20T14:15:00.161866Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph?g0.expr=refund_success_rate",
            "fingerprint": f"{batch:04x}{number:08x}{each:04x}",
        }
        for each in range(batch)
    ]
    return json.dumps(
        {
            "version": "4",
            "receiver": "lastgood",
            "groupKey": f'{{}}:{{alertname="RefundSuccessLow",shard="{group}"}}',
            "status": "firing",
            "truncatedAlerts": 0,
            "alerts": alerts,
        }
    ).encode()


class Floor:
    """psycopg alone: insert the receipt, executemany of the upsert, commit."""

    def __init__(self, url: str, batch: int, integration: int, incident: int) -> None:
        import psycopg

        self.connection = psycopg.connect(url)
        self.integration = integration
        self.batch = batch
        self.done = 0
        self.seconds = 0.0
        self.prepared = [self.prepare(body(batch, number), incident) for number in range(BODIES[batch])]

    def prepare(self, raw: bytes, incident: int) -> tuple[bytes, list[tuple[Any, ...]]]:
        """The body, and the parameters of its alerts."""
        sent = json.loads(raw)
        rows = [
            (
                self.integration,
                incident,
                alert["fingerprint"],
                sent["groupKey"],
                alert["annotations"]["summary"],
                json.dumps(alert["labels"]),
                json.dumps(alert["annotations"]),
                json.dumps([alert["generatorURL"]]),
                alert["startsAt"],
            )
            for alert in sent["alerts"]
        ]
        return raw, rows

    def run(self) -> None:
        """One slice."""
        began = time.perf_counter()
        with self.connection.cursor() as cursor:
            while time.perf_counter() - began < SECONDS:
                raw, rows = self.prepared[(self.done // self.batch) % len(self.prepared)]
                cursor.execute(
                    "INSERT INTO incidents_receipt (integration_id, received_at, body, content_type, status, error)"
                    " VALUES (%s, now(), %s, 'application/json', 'processed', '') RETURNING id",
                    (self.integration, raw),
                )
                cursor.fetchone()
                cursor.executemany(
                    "INSERT INTO incidents_alert (integration_id, incident_id, dedup_key, group_key, title, labels,"
                    " annotations, links, started_at, firing, severity_sent, not_shown, started_at_assumed,"
                    " first_received_at, last_received_at, received_count, content_digest, grouped_by)"
                    " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb, %s, true, 'critical', 0, false,"
                    " now(), now(), 1, '', '') ON CONFLICT (integration_id, dedup_key) WHERE closed_at IS NULL"
                    " DO UPDATE SET received_count = incidents_alert.received_count + 1, last_received_at = now()",
                    rows,
                )
                self.connection.commit()
                self.done += self.batch
        self.seconds += time.perf_counter() - began

    @property
    def rate(self) -> float:
        """Alerts per second."""
        return self.done / self.seconds


class Door:
    """The server, under the load of a process of its own."""

    def __init__(self, port: int, batch: int, key: str, bodies: Path) -> None:
        self.file = bodies
        self.bodies = [body(batch, number) for number in range(BODIES[batch])]
        self.argv = [sys.executable, "-m", "benchmarks.load", str(port), f"/intake/alertmanager/{key}", str(bodies)]
        self.argv += [str(CONNECTIONS[batch]), str(SECONDS)]
        self.batch = batch
        self.first = 0
        self.seconds = 0.0
        self.milliseconds: list[float] = []

    def run(self) -> None:
        """One slice, beginning where the last one ended."""
        start = self.first % len(self.bodies)
        self.file.write_bytes(b"\n".join(self.bodies[start:] + self.bodies[:start]))
        ran = subprocess.run(self.argv, cwd=stand.ROOT, capture_output=True, check=True, text=True)
        answer = json.loads(ran.stdout)
        if set(answer["statuses"]) != {"200"}:
            raise RuntimeError(f"not every request was stored: {answer['statuses']}")
        self.first += len(answer["milliseconds"])
        self.seconds += answer["seconds"]
        self.milliseconds += answer["milliseconds"]

    @property
    def rate(self) -> float:
        """Alerts per second."""
        return self.batch * len(self.milliseconds) / self.seconds

    @property
    def p99(self) -> float:
        """Of the answers, in milliseconds."""
        return sorted(self.milliseconds)[int(len(self.milliseconds) * 0.99)]


def main() -> list[dict[str, Any]]:
    """One row per batch size."""
    rows = []
    with stand.database() as url:
        made = subprocess.run(
            [sys.executable, "-c", PREPARE],
            env=stand.environment(url),
            cwd=stand.ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
        (first, _), (_, key), (incident, _) = (line.split() for line in made.stdout.splitlines())
        with stand.server(url) as port, tempfile.TemporaryDirectory() as folder:
            for batch in BODIES:
                floor = Floor(url, batch, int(first), int(incident))
                door = Door(port, batch, key, Path(folder) / "bodies")
                for _ in range(SLICES):
                    floor.run()
                    door.run()
                rows.append(
                    {
                        "name": f"intake, {batch} alert{'s' if batch > 1 else ''} per request",
                        "value": f"{door.rate:,.0f} alerts/s, p99 {door.p99:.0f} ms",
                        "beside": f"bare psycopg, one connection: {floor.rate:,.0f} alerts/s",
                        "ratio": round(door.rate / floor.rate, 2),
                        "aim": "≥ 0.7",
                    }
                )
    return rows


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
    for row in main():
        print(row)
