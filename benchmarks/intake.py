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
from typing import Any

from benchmarks import stand

SECONDS = 2.5
BODIES = {1: 4096, 64: 256}
CONNECTIONS = {1: 64, 64: 16}
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


def floor(url: str, batch: int, integration: int, incident: int) -> float:
    """Alerts per second of psycopg alone: insert the receipt, executemany of the upsert, commit."""
    import psycopg

    prepared = []
    for number in range(BODIES[batch]):
        raw = body(batch, number)
        sent = json.loads(raw)
        prepared.append(
            (
                raw,
                [
                    (
                        integration,
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
                ],
            )
        )
    done = 0
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        until = time.perf_counter() + SECONDS
        began = time.perf_counter()
        while time.perf_counter() < until:
            raw, rows = prepared[(done // batch) % len(prepared)]
            cursor.execute(
                "INSERT INTO incidents_receipt (integration_id, received_at, body, content_type, status, error)"
                " VALUES (%s, now(), %s, 'application/json', 'processed', '') RETURNING id",
                (integration, raw),
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
            connection.commit()
            done += batch
        return done / (time.perf_counter() - began)


def through_the_door(port: int, batch: int, key: str) -> tuple[float, float]:
    """Alerts per second, and the 99th percentile of the answer in milliseconds."""
    with tempfile.NamedTemporaryFile() as bodies:
        bodies.write(b"\n".join(body(batch, number) for number in range(BODIES[batch])))
        bodies.flush()
        argv = [sys.executable, "-m", "benchmarks.load", str(port), f"/intake/alertmanager/{key}", bodies.name]
        argv += [str(CONNECTIONS[batch]), str(SECONDS)]
        answer = json.loads(subprocess.run(argv, cwd=stand.ROOT, capture_output=True, check=True, text=True).stdout)
    if set(answer["statuses"]) != {"200"}:
        raise RuntimeError(f"not every request was stored: {answer['statuses']}")
    times = answer["milliseconds"]
    return batch * len(times) / answer["seconds"], times[int(len(times) * 0.99)]


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
        floors = {batch: floor(url, batch, int(first), int(incident)) for batch in BODIES}
        with stand.server(url) as port:
            for batch in BODIES:
                rate, p99 = through_the_door(port, batch, key)
                rows.append(
                    {
                        "name": f"intake, {batch} alert{'s' if batch > 1 else ''} per request",
                        "value": f"{rate:,.0f} alerts/s, p99 {p99:.0f} ms",
                        "beside": f"bare psycopg, one connection: {floors[batch]:,.0f} alerts/s",
                        "ratio": round(rate / floors[batch], 2),
                        "aim": "≥ 0.7",
                    }
                )
    return rows


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
    for row in main():
        print(row)
