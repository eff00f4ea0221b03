"""What the JSON API says of this app's rows (CONTRACT: a version is always number, label and digest)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q

from accounts.errors import OperationRefused
from accounts.http import whole_number
from accounts.json_api import page
from rollouts import leg_answers, signals, stack
from rollouts.models import (
    Activation,
    Bundle,
    BundleVersion,
    Deployment,
    Environment,
    EvalRun,
    GateResult,
    Rollback,
    Stop,
)
from rollouts.operations.gates import look
from rollouts.pinned import lacking
from rollouts.practice.scenarios import SCENARIOS
from rollouts.practice.status import PracticeStatus

Json = dict[str, Any]

#: A list of versions without their bodies, which may be megabytes.
_LIGHT = BundleVersion.objects.defer("body")


def bundles(cursor: str | None, limit: int) -> Json:
    """By key; the cursor is the last key of the page before."""
    rows = Bundle.objects.select_related("agent").prefetch_related(
        Prefetch("deployments", Deployment.objects.prefetch_related(Prefetch("active", _LIGHT))),
    )
    if cursor is not None:
        rows = rows.filter(key__gt=cursor)
    found = list(rows.order_by("key")[: limit + 1])
    light = _LIGHT.filter(bundle__in=found[:limit]).order_by("bundle_id", "-number").distinct("bundle_id")
    newest = {version.bundle_id: version for version in light}
    return {
        "items": [
            {**_named(bundle), "latest": _version(newest.get(bundle.pk)), "active": _active(bundle)}
            for bundle in found[:limit]
        ],
        "next": found[limit - 1].key if len(found) > limit else None,
    }


def versions(row: Bundle, cursor: str | None, limit: int) -> Json:
    """Those of one bundle, newest first."""
    found, after = page(_LIGHT.filter(bundle=row), cursor, limit)
    return {"items": [_listed(version) for version in found], "next": after}


def bundle(row: Bundle) -> Json:
    return {
        **_named(row),
        "active": _active(row),
        "versions": [_listed(version) for version in _LIGHT.filter(bundle=row)],
    }


def _listed(version: BundleVersion) -> Json:
    return {**version.as_json(), "behaviour_digest": version.behaviour_digest, "created_at": version.created_at}


def version(row: BundleVersion) -> Json:
    lacks = lacking(row.body)
    return {
        **row.as_json(),
        "bundle": row.bundle.key,
        "behaviour_digest": row.behaviour_digest,
        "part_digests": row.part_digests,
        "created_at": row.created_at,
        "created_by": row.actor_label,
        "pinned": not lacks,
        "not_reproducible": [lack.as_json() for lack in lacks],
        "warnings": [warning.as_json() for warning in row.warnings.all()],
        "body": row.body,
        "gates": [gate(result) for result in row.gate_results.all()],
    }


def pushed(row: BundleVersion) -> Json:
    """The version, and what the checks have to say of it, where they have anything to say."""
    warnings = [warning.as_json() for warning in row.warnings.all()]
    return {**row.as_json(), "warnings": warnings} if warnings else row.as_json()


def gates(row: BundleVersion, environment: str) -> Json:
    """Each gate green, red or missing; ``needed``: a promotion to ``environment`` waits for it."""
    looked = look(row)
    under_way = row.eval_runs.filter(state__in=[EvalRun.State.QUEUED, EvalRun.State.RUNNING])
    return {
        "version": row.as_json(),
        "environment": environment,
        "gates": [asdict(each) for each in looked.board(environment)],
        "running": under_way.exists(),
    }


def gate(row: GateResult) -> Json:
    return {"gate": row.gate, "state": row.state, "detail": row.detail, "at": row.at, "by": row.actor_label}


def deployments(agent: str | None, cursor: str | None, limit: int) -> Json:
    """Those that have an active version, of every agent or of one, the one activated last first.

    The cursor is the moment and the id of the last row, so that a flip between two pages hides no other row.
    """
    rows = (
        Deployment.objects.filter(active__isnull=False)
        .select_related("bundle__agent")
        .prefetch_related(Prefetch("active", _LIGHT))
        .order_by("-activated_at", "pk")
    )
    if agent is not None:
        rows = rows.filter(bundle__agent__slug=agent)
    if cursor is not None:
        at, pk = _place(cursor)
        rows = rows.filter(Q(activated_at__lt=at) | Q(activated_at=at, pk__gt=pk))
    found = list(rows[: limit + 1])
    last = found[limit - 1] if len(found) > limit else None
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
            for row in found[:limit]
        ],
        "next": f"{last.activated_at.isoformat()}~{last.pk}" if last is not None and last.activated_at else None,
    }


def _place(cursor: str) -> tuple[datetime, int]:
    moment, _, number = cursor.rpartition("~")
    pk = whole_number(number)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or pk is None:
        raise OperationRefused("A cursor is the `next` of a page before.", status=422)
    return at, pk


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
        "text_digest": row.text_digest,
        "rollout_state": row.rollout_state,
        "share_percent": row.share_percent,
        "baseline_id": row.baseline_id or None,
        "cohort_id": row.cohort_id or None,
        "downstream_contract_version": row.downstream_contract_version or None,
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
        **leg_answers.rollback(row),
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
