"""The shapes of CONTRACT §3: what the JSON API says of incidents and receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from incidents import links
from incidents.models import Cause, Incident, Origin, Receipt, TimelineEntry
from incidents.models.cause import surest_first
from rollouts.models import RegressionCase

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
    """One incident with its causes and its timeline, oldest entry first."""
    causes = surest_first(row.causes.live().prefetch_related("cases__eval_set", "cases__replaced_by"))
    return incident(row) | {
        "origin": causes[0].origin if causes else Origin.UNKNOWN,
        "causes": [cause(item) for item in causes],
        "timeline": [entry(item) for item in row.timeline.order_by("sequence")],
    }


def cause(row: Cause) -> Answer:
    """One cause with its cases; ``no_case`` and ``proof_waived`` are what a person said, null when nobody did."""
    return {
        "id": row.pk,
        "origin": row.origin,
        "confidence": row.confidence,
        "note": row.note,
        "at": moment(row.at),
        "by": row.actor_label,
        "withdrawn_at": moment(row.withdrawn_at),
        "no_case": row.no_case_reason or None,
        "proof_waived": row.proof_waived_reason or None,
        "cases": [case(item) for item in row.cases.all() if not hasattr(item, "replaced_by")],
    }


def case(row: RegressionCase) -> Answer:
    """One regression case, as a reference."""
    return {"id": row.pk, "key": row.key, "title": row.title, "eval_set": row.eval_set.name, "check": row.check_kind}


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
