"""What a request would come to: the way of a real one, walked to its end and then taken back.

Nothing of it stays but a receipt marked ``tested``: no alert, no incident, no entry, nobody woken. The numbers of
references that were drawn on the way stay unused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings as site
from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from incidents import reading
from incidents.models import AlertReceipt, Integration, Page, Receipt
from incidents.operations import grouping, whereabouts
from incidents.operations.receive import Answer, Request, process
from incidents.reading import AlertSignal

#: A look at what was sent lately: so many receipts, none larger than this, and the first alerts of each.
LATELY, LARGEST, SHOWN = 5, 64 * 1024, 5


@dataclass(frozen=True, slots=True)
class Come:
    """What one alert would come to."""

    status: str
    title: str
    severity: str
    deployment: str
    incident: str  # the reference of the open incident it would join; blank: a new one, or none
    grouped_by: str
    header: Mapping[str, Any] = field(default_factory=dict)
    wakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """The answer that the sender would have had, and what stood behind it."""

    receipt: int
    answer: Answer
    comes: tuple[Come, ...]

    @property
    def said(self) -> str:
        """The answer's body as it would be sent; references of incidents that never were are left out."""
        told = self.answer.as_json() | {"receipt": self.receipt}
        for alert, come in zip(told.get("alerts", []), self.comes, strict=False):
            alert["incident"] = come.incident or None
        return orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()


@transaction.atomic
def run(integration: Integration, body: bytes, *, actor: Actor, at: datetime | None = None) -> Trial:
    """Send ``body`` through everything a real request goes through, take it back, and keep the receipt."""
    require(actor, Permission.ADMIN)
    at = at or clock.now()
    if integration.revoked_at is not None:
        raise OperationRefused(f"{integration.name} is revoked. Create another integration.")
    if len(body) > site.INTAKE_MAX_BYTES:
        raise OperationRefused(f"At most {site.INTAKE_MAX_BYTES} bytes are taken.", status=413)
    read = reading.read(integration.source, body, integration.settings)
    answer, comes = _tried(Request(integration.pk, body, "application/json", at, read), integration)
    receipt = Receipt.objects.create(
        integration=integration,
        received_at=at,
        body=body,
        content_type="application/json",
        status=Receipt.Status.TESTED,
        error=read.error,
    )
    audit.record(actor, "test integration", f"{integration.source}: {integration.name}", at=at)
    return Trial(receipt.pk, answer, comes)


def _tried(request: Request, integration: Integration) -> tuple[Answer, tuple[Come, ...]]:
    """What came of it, asked before the savepoint is rolled back."""
    with transaction.atomic():
        (answer,) = process([request], {integration.pk: integration})
        comes = tuple(_comes(answer, request.reading.signals))
        transaction.set_rollback(True)
    return answer, comes


def _comes(answer: Answer, signals: tuple[AlertSignal, ...]) -> list[Come]:
    links = {
        link.alert.dedup_key: link.alert
        for link in AlertReceipt.objects.filter(receipt=answer.receipt).select_related(
            "alert__incident", "alert__deployment__bundle"
        )
    }
    new = {said["incident"] for said in answer.alerts if said["status"] == "opened"}
    pages = Page.objects.filter(incident__ref__in=new, done_at=None).select_related("user", "incident")
    wakes: dict[str, list[str]] = {}
    for page in pages:
        wakes.setdefault(page.incident.ref, []).append(page.user.display_name)
    found = []
    for said, signal in zip(answer.alerts, signals, strict=False):
        alert = links.get(said["key"])
        incident = alert.incident if alert else None
        opened = incident is not None and incident.ref in new
        found.append(
            Come(
                said["status"],
                signal.title,
                incident.severity if incident else "",
                str(alert.deployment or "") if alert else "",
                incident.ref if incident and not opened else "",
                alert.grouped_by if alert else said.get("rule", ""),
                ({"reference": signal.names.raw} if signal.names.raw else {}) | dict(signal.header),
                tuple(wakes.get(incident.ref, ())) if incident else (),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Reads:
    """How one alert of a stored request is read by some settings."""

    title: str
    severity: str
    deployment: str
    header: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One alert that was sent lately, read by the settings that stand and by others."""

    receipt: int
    at: datetime
    before: Reads
    after: Reads

    @property
    def changed(self) -> bool:
        return self.before != self.after


def compare(integration: Integration, settings: Mapping[str, Any]) -> list[Difference]:
    """What ``settings`` would make of the requests that came last, beside what the present ones do."""
    found = []
    receipts = Receipt.objects.filter(integration=integration).order_by("-pk")[: LATELY * 2]
    for receipt in [receipt for receipt in receipts if len(receipt.body) <= LARGEST][:LATELY]:
        pairs = zip(
            _reads(integration.source, bytes(receipt.body), integration.settings),
            _reads(integration.source, bytes(receipt.body), settings),
            strict=False,
        )
        found += [Difference(receipt.pk, receipt.received_at, before, after) for before, after in pairs]
    return found


def _reads(source: str, body: bytes, settings: Mapping[str, Any]) -> list[Reads]:
    read = reading.read(source, body, settings)
    if read.error:
        return [Reads("", "", "", read.error)]
    signals = read.signals[:SHOWN]
    places = [list(whereabouts.places(signal.names, settings)) for signal in signals]
    known = whereabouts.find(place for each in places for place in each)
    return [
        Reads(
            signal.title,
            grouping.severity_of(signal.severity, settings) or f"{grouping.UNSAID.value}, not said",
            next((str(known[place]) for place in each if place in known), "no agent we know"),
            " ".join(str(value) for value in signal.header.values()),
        )
        for signal, each in zip(signals, places, strict=True)
    ]


def sample(source: str, key: str, at: datetime) -> bytes:
    """An alert about ``key`` as this source would send it; an empty object for a source that has no sample."""
    moment = at.isoformat()
    text = f"Test alert for {key}"
    header = {"metric": "task_success_rate", "comparator": "<", "threshold": "0.95", "value": "0.71", "window": "15m"}
    samples: dict[str, Any] = {
        "alertmanager": {
            "version": "4",
            "receiver": "lastgood",
            "groupKey": '{}:{alertname="LastgoodTest"}',
            "status": "firing",
            "truncatedAlerts": 0,
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "LastgoodTest", "severity": "critical"},
                    "annotations": {"summary": text, "bundle": key, "environment": "prod", **header},
                    "startsAt": moment,
                    "endsAt": "0001-01-01T00:00:00Z",
                    "fingerprint": "lastgood-test",
                }
            ],
        },
        "generic": {
            "dedup_key": "lastgood-test",
            "title": text,
            "severity": "critical",
            "started_at": moment,
            "bundle": key,
            "environment": "prod",
            **header,
        },
        "pagerduty-events-v2": {
            "routing_key": "tested without a key",
            "event_action": "trigger",
            "dedup_key": "lastgood-test",
            "payload": {
                "summary": text,
                "source": key,
                "severity": "critical",
                "timestamp": moment,
                "custom_details": {"bundle": key, "environment": "prod", **header},
            },
        },
    }
    return orjson.dumps(samples.get(source, {}), option=orjson.OPT_INDENT_2)
