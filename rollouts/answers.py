"""What the JSON API says of this app's rows (CONTRACT: a version is always number, label and digest)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db.models import Prefetch

from rollouts import signals, stack
from rollouts.models import (
    Activation,
    Bundle,
    BundleVersion,
    Deployment,
    Environment,
    GateResult,
    Rollback,
    RollbackLeg,
    Stop,
)
from rollouts.practice.scenarios import SCENARIOS
from rollouts.practice.status import PracticeStatus

Json = dict[str, Any]

#: A list of versions without their bodies, which may be megabytes.
_LIGHT = BundleVersion.objects.defer("body")


def bundles() -> Json:
    found = Bundle.objects.select_related("agent").prefetch_related(
        Prefetch("deployments", Deployment.objects.prefetch_related(Prefetch("active", _LIGHT))),
    )
    newest = {version.bundle_id: version for version in _LIGHT.order_by("bundle_id", "-number").distinct("bundle_id")}
    return {
        "items": [
            {**_named(bundle), "latest": _version(newest.get(bundle.pk)), "active": _active(bundle)}
            for bundle in found.order_by("key")
        ],
        "next": None,
    }


def bundle(row: Bundle) -> Json:
    versions = [
        {**version.as_json(), "behaviour_digest": version.behaviour_digest, "created_at": version.created_at}
        for version in _LIGHT.filter(bundle=row)
    ]
    return {**_named(row), "active": _active(row), "versions": versions}


def version(row: BundleVersion) -> Json:
    return {
        **row.as_json(),
        "bundle": row.bundle.key,
        "behaviour_digest": row.behaviour_digest,
        "part_digests": row.part_digests,
        "created_at": row.created_at,
        "created_by": row.actor_label,
        "body": row.body,
        "gates": [gate(result) for result in row.gate_results.all()],
    }


def gate(row: GateResult) -> Json:
    return {"gate": row.gate, "state": row.state, "detail": row.detail, "at": row.at, "by": row.actor_label}


def deployments(agent: str | None) -> Json:
    """Those that have an active version, of every agent or of one."""
    found = (
        Deployment.objects.filter(active__isnull=False)
        .select_related("bundle__agent")
        .prefetch_related(Prefetch("active", _LIGHT))
        .order_by("-activated_at", "pk")
    )
    if agent is not None:
        found = found.filter(bundle__agent__slug=agent)
    stopped = set(Stop.objects.filter(released_at=None).values_list("kill_switch__deployment_id", flat=True))
    return {
        "items": [
            {
                "deployment": str(row),
                "agent": row.bundle.agent.slug,
                "variant": row.bundle.variant,
                "environment": row.environment_id,
                "active": _version(row.active),
                "activated_at": row.activated_at,
                "stopped": row.pk in stopped,
            }
            for row in found
        ],
        "next": None,
    }


def deployment(row: Deployment) -> Json:
    stops = Stop.objects.select_related("kill_switch").filter(kill_switch__deployment=row, released_at=None)
    return {
        "deployment": str(row),
        "active": _version(row.active),
        "last_good": _version(stack.last_good(row)),
        "epoch": Environment.objects.values_list("epoch", flat=True).get(pk=row.environment_id),
        "rollback": row.standing_rollback_id,
        "stops": [stop(engaged) for engaged in stops],
        "stack": [entry.as_json() for entry in stack.view(row)],
    }


def activation(row: Activation) -> Json:
    waiver = getattr(row, "waiver", None)
    return {
        "activation": row.pk,
        "kind": row.kind,
        "from": _version(row.previous),
        "to": row.version.as_json(),
        "at": row.at,
        "epoch": row.epoch,
        "waiver": waiver
        and {
            "gates": waiver.gates,
            "reason": waiver.reason,
            "expires_at": waiver.expires_at,
            "by": str(waiver.user or waiver.actor_label),
        },
    }


def pressed(row: Rollback) -> Json:
    """The answer to a press; the incident is known once the receivers of the commit have run."""
    return {
        "rollback": row.pk,
        "from": row.from_version.as_json(),
        "to": row.to_version.as_json(),
        "committed_ms": round(row.committed_ms, 3),
        "incident": signals.incident_of("rollback", row.pk),
        "legs": [{"kind": entry.kind, "state": entry.state} for entry in row.legs.all()],
    }


def rollback(row: Rollback) -> Json:
    return {
        **pressed(row),
        "deployment": str(row.deployment),
        "at": row.flipped_at,
        "by": row.actor_label,
        "reason": row.reason,
        "in_flight_policy": row.in_flight_policy,
        "legs": [leg(entry) for entry in row.legs.all()],
    }


def leg(row: RollbackLeg) -> Json:
    return {
        "kind": row.kind,
        "state": row.state,
        "sentence": row.sentence,
        "reason": row.reason,
        "closed_at": row.closed_at,
        "closed_by": row.closed_by_label or None,
    }


def stop(row: Stop) -> Json:
    return {
        "stop": row.pk,
        "scope": row.kill_switch.scope,
        "engaged_at": row.engaged_at,
        "released_at": row.released_at,
        "state": "engaged" if row.released_at is None else "released",
        "reason": row.reason,
        "fallback": row.fallback,
    }


def practice(found: PracticeStatus | None) -> Json:
    """How the fleet is, and what it could live through."""
    told = ("name", "title", "happens", "teaches", "contain", "minutes", "key", "metric")
    return {
        "practice": None if found is None else asdict(found),
        "scenarios": [{name: getattr(scenario, name) for name in told} for scenario in SCENARIOS.values()],
    }


def _named(row: Bundle) -> Json:
    return {"key": row.key, "agent": row.agent.slug, "variant": row.variant}


def _active(row: Bundle) -> Json:
    return {entry.environment_id: _version(entry.active) for entry in row.deployments.all()}


def _version(row: BundleVersion | None) -> Json | None:
    return row.as_json() if row is not None else None
