"""Practice: starting the simulated fleet, hearing from it, letting it rest, and taking away what it left."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import Agent, AgentRun, Environment, Invocation, PracticeRun
from rollouts.operations import epoch
from rollouts.practice.bundles import BAD, KEY
from rollouts.practice.monitor import THRESHOLD

#: How long the fleet lives before it rests; starting its process or waking it gives it as long again.
ACTIVE = timedelta(minutes=30)
#: A fleet that has not reported for this long is not running.
SILENT = timedelta(seconds=15)
REPORT_LIMIT = 64 * 1024
PRACTICE_LOCK = 0x1A57_0003


@dataclass(frozen=True, slots=True)
class PracticeStatus:
    """What the banner says. ``state`` ∈ starting, running, resting, silent; ``rate`` is the refund success now."""

    state: str
    sentence: str
    rate: float | None
    threshold: float
    window_seconds: float | None
    firing: bool
    bad_instances: int
    queued: int
    retried: int
    retried_refunded: int
    started_at: datetime
    active_until: datetime

    @property
    def is_resting(self) -> bool:
        return self.state == "resting"

    @property
    def is_awake(self) -> bool:
        return self.state in {"starting", "running"}


@transaction.atomic
def begin(*, actor: Actor, at: datetime | None = None) -> PracticeRun:
    """Start a run, or wake the one that rests. Refused where ``customer-service`` is a real agent."""
    require(actor, Permission.ADMIN)
    at = at or clock.now()
    _lock()
    run = PracticeRun.objects.filter(ended_at=None).first()
    if run is not None:
        return _wake(run, at)
    agent, made = Agent.objects.get_or_create(
        slug=KEY, defaults={"created_at": at, "practice": True, "description": "Simulated, for practice."}
    )
    if not made and not agent.practice:
        raise OperationRefused(f"Practice needs an agent called {KEY}, and here that is a real one.")
    run = PracticeRun.objects.create(started_at=at, active_until=at + ACTIVE)
    audit.record(actor, "start practice", KEY, at=at)
    return run


@transaction.atomic
def begin_if_empty(*, actor: Actor, at: datetime | None = None) -> PracticeRun | None:
    """What the fleet's process asks for when it starts: go on with an open run; start one where nothing ever was."""
    require(actor, Permission.ADMIN)
    at = at or clock.now()
    _lock()
    run = PracticeRun.objects.first()
    if run is not None:
        return _wake(run, at) if run.ended_at is None else None
    return None if Agent.objects.exists() else begin(actor=actor, at=at)


@transaction.atomic
def rest(*, actor: Actor, at: datetime | None = None) -> PracticeRun:
    """Let the fleet rest now; its data stay. Refused when there is none."""
    require(actor, Permission.ADMIN)
    at = at or clock.now()
    run = PracticeRun.objects.select_for_update(no_key=True).filter(ended_at=None).first()
    if run is None:
        raise OperationRefused("There is no practice to rest from.")
    if run.active_until > at:
        run.active_until = at
        run.save(update_fields=["active_until"])
        audit.record(actor, "rest practice", KEY, at=at)
    return run


@transaction.atomic
def report(run: int | None, told: dict[str, Any], *, actor: Actor, at: datetime | None = None) -> dict[str, Any]:
    """What the fleet tells of itself (``run`` None while idle), answered by whether it is wanted and what it last told.

    ``{"run": number or null, "wanted": bool, "report": {…}}``
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    if len(json.dumps(told)) > REPORT_LIMIT:
        raise OperationRefused("A report of the fleet is at most 64 KiB.", status=422)
    present = PracticeRun.objects.first()
    if present is None:
        return {"run": None, "wanted": False, "report": {}}
    if present.ended_at is not None:
        _sweep(present, at)
        return {"run": None, "wanted": False, "report": {}}
    present.seen_at = at
    if run == present.pk:
        present.report = told
    present.save(update_fields=["seen_at", "report"])
    return {"run": present.pk, "wanted": at < present.active_until, "report": present.report}


@transaction.atomic
def remove(*, actor: Actor, at: datetime | None = None) -> dict[str, int]:
    """Take away everything practice left, and stop the fleet; how many rows of what. The audit log keeps the act.

    Only agents that were marked as practice at birth are touched (docs/adr/0002-practice-data.md).
    """
    require(actor, Permission.ADMIN)
    at = at or clock.now()
    _lock()
    run = PracticeRun.objects.select_for_update(no_key=True).filter(ended_at=None).first()
    agents = list(Agent.objects.filter(practice=True).order_by("pk"))
    if run is None and not agents:
        raise OperationRefused("There is no practice data.")
    if run is not None:
        run.ended_at = max(at, run.started_at)
        run.save(update_fields=["ended_at"])
    taken: dict[str, int] = {}
    for agent in agents:
        keys = list(agent.bundles.values_list("key", flat=True))
        found = [hook(agent.pk) for hook in signals.remove_practice_hooks]
        with connection.cursor() as cursor:
            cursor.execute("SELECT rollouts_remove_practice(%s)::text", [agent.pk])
            found.append(json.loads(cursor.fetchone()[0]))
        found.append({"invocations": _remove_telemetry([*keys, agent.slug])})
        for counts in found:
            for what, count in counts.items():
                taken[what] = taken.get(what, 0) + count
    for environment in Environment.objects.values_list("name", flat=True):
        epoch.bump(environment)
    with connection.cursor() as cursor:  # a table nobody thought of refuses here, not at the commit
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    audit.record(actor, "remove practice data", KEY, data=taken, at=at)
    return taken


def status(at: datetime | None = None) -> PracticeStatus | None:
    """What the banner says; None where there is no practice data."""
    run = PracticeRun.objects.filter(ended_at=None).first()
    return _describe(run, at or clock.now()) if run is not None else None


def may_start() -> bool:
    """Whether there is no practice now, and the name it needs is free."""
    return not PracticeRun.objects.filter(ended_at=None).exists() and not Agent.objects.filter(slug=KEY).exists()


def _describe(run: PracticeRun, at: datetime) -> PracticeStatus:
    told: dict[str, Any] = run.report
    counts = told.get("counts") or {}
    state = "running"
    if at >= run.active_until:
        state = "resting"
    elif run.seen_at is None:
        state = "starting" if at - run.started_at < SILENT else "silent"
    elif at - run.seen_at > SILENT:
        state = "silent"
    facts: dict[str, Any] = {
        "rate": told.get("rate"),
        "window_seconds": told.get("window_seconds"),
        "firing": bool(told.get("firing_since")),
        "bad_instances": int((told.get("versions") or {}).get(BAD, 0)),
        "queued": int(told.get("queued") or 0),
        "retried": int(counts.get("retried") or 0),
        "retried_refunded": int(counts.get("retried_refunded") or 0),
    }
    return PracticeStatus(
        state=state,
        sentence=_sentence(state, str(told.get("phase") or ""), facts),
        threshold=THRESHOLD,
        started_at=run.started_at,
        active_until=run.active_until,
        **facts,
    )


def _sentence(state: str, phase: str, facts: dict[str, Any]) -> str:
    rate = facts["rate"]
    percent = "" if rate is None else f"{rate * 100:.0f} %"
    if state == "resting":
        return "The simulated fleet rests; what it left stays until you remove it."
    if state == "silent":
        return "The simulated fleet does not answer; make run starts it."
    if state == "starting" or not phase or phase == "setup":
        return "Twenty simulated agents are starting. Nothing here is real."
    if phase != "released":
        now = f" Refund success {percent}." if percent else ""
        return f"Twenty simulated agents answer customers; a new version goes live within a minute.{now}"
    if not percent:
        return "The simulated agents hand every refund to a human: nothing to measure."
    if facts["bad_instances"]:
        what = "Open the incident and roll back." if facts["firing"] else "Its monitor will raise an alert."
        return f"The simulated agent refuses refunds: success {percent}, {facts['queued']} wait. {what}"
    if facts["retried"]:
        went = f"{facts['retried_refunded']} of {facts['retried']} refused refunds, tried again, have gone through."
        return f"Refund success {percent}{' and recovering' if facts['firing'] else ''}. {went}"
    return f"Twenty simulated agents answer customers. Refund success {percent}."


def _lock() -> None:
    """One start or removal at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PRACTICE_LOCK])


def _wake(run: PracticeRun, at: datetime) -> PracticeRun:
    run.active_until = at + ACTIVE
    run.save(update_fields=["active_until"])
    return run


def _remove_telemetry(keys: list[str]) -> int:
    AgentRun.objects.filter(bundle_key__in=keys).delete()
    return Invocation.objects.filter(bundle_key__in=keys).delete()[0]


def _sweep(ended: PracticeRun, at: datetime) -> None:
    """Spans that were on their way while their agent was removed."""
    lately = ended.ended_at is not None and at - ended.ended_at < timedelta(minutes=1)
    if lately and not Agent.objects.filter(slug=KEY).exists():
        _remove_telemetry([KEY])
