"""The shapes of CONTRACT §3: what the JSON API says of incidents and receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incidents import links
from incidents.models import Incident, Receipt, TimelineEntry

Answer = dict[str, Any]


def incident(row: Incident) -> Answer:
    """One incident as lists show it; ``row`` comes from ``for_lists()``."""
    return {
        "ref": row.ref,
        "title": row.title,
        "severity": row.severity,
        "step": row.step,
        "status": row.status,
        "kind": row.kind,
        "opened_at": moment(row.opened_at),
        "acknowledged_at": moment(row.acknowledged_at),
        "acknowledged_by": row.acknowledged_by.display_name if row.acknowledged_by else None,
        "deployment": str(row.deployment) if row.deployment else None,
        "header": row.header | {"at": moment(row.header_at)},
        "alerts": row.alert_count,  # type: ignore[attr-defined]  # annotated
        "url": links.room(row.ref),
    }


def whole_incident(row: Incident) -> Answer:
    """One incident with its timeline, oldest entry first."""
    return incident(row) | {"timeline": [entry(item) for item in row.timeline.order_by("sequence")]}


def entry(row: TimelineEntry) -> Answer:
    return {
        "at": moment(row.at),
        "kind": row.kind,
        "actor": row.actor_label,
        "actor_kind": row.actor_kind,
        "text": row.text,
    }


def receipt(row: Receipt) -> Answer:
    """One request a monitor sent; its body stays where it is."""
    return {
        "id": row.pk,
        "status": row.status,
        "source": row.integration.source,
        "integration": row.integration.name,
        "received_at": moment(row.received_at),
        "error": row.error or None,
        "replayed_at": moment(row.replayed_at),
    }


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, ending in Z."""
    return at.isoformat().replace("+00:00", "Z") if at is not None else None
