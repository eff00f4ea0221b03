"""Practice: starting a scenario, hearing from its fleet, letting it rest, and taking away what it left."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotFound, OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import signals
from rollouts.models import Agent, AgentRun, BundleVersion, Environment, Invocation, PracticeRun, Stop
from rollouts.operations import epoch, gates
from rollouts.practice.scenarios import FIRST, SCENARIOS, Scenario
from rollouts.practice.spans import ENVIRONMENT
from rollouts.practice.status import PracticeStatus, describe, is_over

#: How long the fleet lives before it rests; starting its process or waking it gives it as long again.
ACTIVE = timedelta(minutes=30)
REPORT_LIMIT = 64 * 1024
PRACTICE_LOCK = 0x1A57_0003


@transaction.atomic
def begin(*, actor: Actor, scenario: str = "", at: datetime | None = None) -> PracticeRun:
    """Start a scenario, or wake the one that rests; without a name the one that rests, else the first.

    Refused while another is awake, where its agent is a real one, and while that agent is stopped.
    """
    require(actor, Permission.PRACTICE)
    at = at or clock.now()
    _lock()
    run = PracticeRun.objects.filter(ended_at=None).first()
    wanted = _known(scenario or (run.scenario if run else FIRST.name))
    if run is not None and run.scenario == wanted.name and not (scenario and is_over(run)):
        return _wake(run, at)
    if run is not None:
        if at < run.active_until and not is_over(run):
            raise OperationRefused(f"{_known(run.scenario).title} is running. Stop it first; what it made stays.")
        run.ended_at = max(at, run.started_at)
        run.save(update_fields=["ended_at"])
    agent, made = Agent.objects.get_or_create(
        slug=wanted.agent, defaults={"created_at": at, "practice": True, "description": "Simulated, for practice."}
    )
    if not made and not agent.practice:
        raise OperationRefused(f"Practice needs an agent called {wanted.agent}, and here that is a real one.")
    _can_go_wrong(wanted)
    run = PracticeRun.objects.create(scenario=wanted.name, started_at=at, active_until=at + ACTIVE)
    audit.record(actor, "start practice", wanted.name, at=at)
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
    require(actor, Permission.PRACTICE)
    at = at or clock.now()
    run = PracticeRun.objects.select_for_update(no_key=True).filter(ended_at=None).first()
    if run is None:
        raise OperationRefused("There is no practice to rest from.")
    if run.active_until > at:
        run.active_until = at
        run.save(update_fields=["active_until"])
        audit.record(actor, "rest practice", run.scenario, at=at)
    return run


@transaction.atomic
def push_fix(*, actor: Actor, at: datetime | None = None) -> PracticeRun:
    """Have the fleet push its fixed candidate with the cases that prove it, and wake it for that."""
    require(actor, Permission.PRACTICE)
    at = at or clock.now()
    run = PracticeRun.objects.select_for_update(no_key=True).filter(ended_at=None).first()
    if run is None:
        raise OperationRefused("No scenario is running; start one first.")
    wanted = _known(run.scenario)
    if not wanted.fixes:
        raise OperationRefused(f"{wanted.title} has no fix to push: nothing of ours is wrong.")
    if not run.report.get("has_fired"):
        raise OperationRefused("Nothing is wrong yet: the fix is pushed once its monitor has raised the alert.")
    if run.fix_asked_at is None:
        run.fix_asked_at = at
        audit.record(actor, "push the practice fix", wanted.name, at=at)
    run.active_until = max(run.active_until, at + ACTIVE)
    run.save(update_fields=["fix_asked_at", "active_until"])
    return run


@transaction.atomic
def report(run: int | None, told: dict[str, Any], *, actor: Actor, at: datetime | None = None) -> dict[str, Any]:
    """What the fleet tells of itself (``run`` None while idle), answered by whether it is wanted and what it last told.

    ``{"run": number or null, "wanted": bool, "report": {…}, "scenario": name, "wishes": ["fix"]}``
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    if len(json.dumps(told)) > REPORT_LIMIT:
        raise OperationRefused("A report of the fleet is at most 64 KiB.", status=422)
    # Locked, so that what somebody presses meanwhile is not written over with what was read before.
    present = PracticeRun.objects.select_for_update(no_key=True).first()
    if present is None:
        return {"run": None, "wanted": False, "report": {}}
    if present.ended_at is not None:
        _sweep(present, at)
        return {"run": None, "wanted": False, "report": {}}
    present.seen_at = at
    if run == present.pk:
        present.report = told
        if is_over(present):
            present.active_until = min(present.active_until, max(at, present.started_at))
    present.save(update_fields=["seen_at", "report", "active_until"])
    return {
        "run": present.pk,
        "wanted": at < present.active_until,
        "report": present.report,
        "scenario": present.scenario,
        "wishes": ["fix"] if present.fix_asked_at else [],
    }


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
    audit.record(actor, "remove practice data", ", ".join(agent.slug for agent in agents), data=taken, at=at)
    return taken


def status(at: datetime | None = None) -> PracticeStatus | None:
    """What the banner says; None where there is no practice data."""
    run = PracticeRun.objects.filter(ended_at=None).first()
    return describe(run, at or clock.now()) if run is not None else None


def may_start() -> bool:
    """Whether there is no practice now, and the name that the first scenario needs is free."""
    return (
        not PracticeRun.objects.filter(ended_at=None).exists() and not Agent.objects.filter(slug=FIRST.agent).exists()
    )


def _known(name: str) -> Scenario:
    found = SCENARIOS.get(name)
    if found is None:
        raise NotFound(f"There is no scenario called {name}; there are {', '.join(SCENARIOS)}.")
    return found


def _can_go_wrong(scenario: Scenario) -> None:
    """Refuse what could not happen: its agent is stopped, or cases made since keep the bad version out."""
    engaged = Stop.objects.filter(
        kill_switch__deployment__bundle__key=scenario.key,
        kill_switch__deployment__environment_id=ENVIRONMENT,
        released_at=None,
    ).first()
    if engaged is not None:
        raise OperationRefused(
            f"{scenario.key} is stopped ({engaged.kill_switch.scope}). Release it first; then the scenario can start."
        )
    shipped = [*scenario.first, scenario.release]
    for version in BundleVersion.objects.filter(bundle__key=scenario.key, label__in=shipped).order_by("number"):
        if gates.standing(version, ENVIRONMENT).red:
            raise OperationRefused(
                f"{version} is red at its gate by now and cannot go live again: your cases guard against it. "
                "Remove practice data to live through this once more."
            )


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
    if ended.ended_at is not None and at - ended.ended_at < timedelta(minutes=1):
        known = set(Agent.objects.values_list("slug", flat=True))
        keys = [key for each in SCENARIOS.values() if each.agent not in known for key in (each.key, each.others) if key]
        _remove_telemetry(keys)
