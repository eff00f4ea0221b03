"""Where a leg stands: by its steps, by what people decided, by a person's word. And its evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.outbound.errors import shortened
from rollouts import signals
from rollouts.models import LegEvidence, LegStep, Rollback, RollbackLeg
from rollouts.operations import leg_subjects

#: Legs that the machine may close once everything asked was done; of the others a person decides something.
CLOSED_BY_MACHINE = frozenset({"flip", "prefix_cache", "semantic_cache"})
MACHINE = "Lastgood"
State = RollbackLeg.State


def locked(pk: int) -> RollbackLeg:
    """The leg, locked, with what it is part of: without the bodies, which may be megabytes."""
    return (
        RollbackLeg.objects.select_for_update(no_key=True, of=("self",))
        .select_related(
            "rollback__deployment__bundle__agent",
            "rollback__from_version",
            "rollback__to_version",
            "closed_by",
            "verified_by",
        )
        .defer("rollback__from_version__body", "rollback__to_version__body")
        .get(pk=pk)
    )


def settle(leg: RollbackLeg, at: datetime) -> None:
    """Say where a locked leg stands by its steps. What a person closed stays closed."""
    if leg.closed_by_id is not None:
        return
    states = set(leg.steps.exclude(state="dropped").values_list("state", flat=True))
    if not states:
        if _close_decided(leg, at):
            return
        if leg.kind == "flip" and leg.state != State.DONE:
            close(leg, at, "The pointer moved; nothing else follows it any more.")
        elif leg.state in {State.RUNNING, State.FAILED, State.BLOCKED}:
            leg.state = State.OPEN
            leg.save(update_fields=["state"])
            signals.announce("leg", leg.pk)
        return
    if "failed" in states:
        now = State.FAILED
    elif "blocked" in states:
        now = State.BLOCKED
    elif states & {"open", "running"}:
        now = State.RUNNING
    elif leg.kind in CLOSED_BY_MACHINE:
        if leg.state != State.DONE:
            close(leg, at, "Everything asked was done; see the evidence.")
        return
    else:
        now = State.DONE if leg.state == State.DONE else State.OPEN
    if now == State.OPEN and _close_decided(leg, at):
        return
    if now != leg.state:
        leg.state, leg.closed_at = now, leg.closed_at if now == State.DONE else None
        leg.closed_by_label = leg.closed_by_label if now == State.DONE else ""
        leg.save(update_fields=["state", "closed_at", "closed_by_label"])
        signals.announce("leg", leg.pk)


def _close_decided(leg: RollbackLeg, at: datetime) -> bool:
    """Close a locked leg in the name of whoever decided the last of its subjects, if none is left; whether it did."""
    said = leg_subjects.decided(leg) if leg.state != State.DONE else None
    if said is None:
        return False
    leg.state, leg.reason, leg.closed_at = State.DONE, said.text, at
    leg.closed_by, leg.closed_by_label = said.user, said.label
    leg.save(update_fields=["state", "reason", "closed_at", "closed_by", "closed_by_label"])
    signals.announce("leg", leg.pk)
    return True


def close(leg: RollbackLeg, at: datetime, reason: str) -> None:
    """Close a locked leg by the machine's word, which is its evidence."""
    leg.state, leg.reason, leg.closed_at, leg.closed_by_label = State.DONE, reason, at, MACHINE
    leg.save(update_fields=["state", "reason", "closed_at", "closed_by_label"])
    signals.announce("leg", leg.pk)


def record(
    leg: RollbackLeg,
    kind: str,
    text: str,
    at: datetime,
    *,
    step: LegStep | None = None,
    data: dict[str, Any] | None = None,
    count: int | None = None,
    took_ms: float | None = None,
    source: str = "",
    by: str = MACHINE,
) -> LegEvidence:
    """Append what was asked, counted or answered."""
    return LegEvidence.objects.create(
        leg=leg,
        step=step,
        at=at,
        kind=kind,
        text=shortened(text, 1000),
        data=data or {},
        count=count,
        took_ms=took_ms,
        source=source[:200],
        by=by[:100],
    )


def is_complete(rollback: Rollback) -> bool:
    """Whether every leg is done, waived by name or not applicable (R063)."""
    return all(leg.is_closed for leg in rollback.legs.all())
