"""What the record and the telemetry know about an incident: the facts a postmortem is drafted from and shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from django.db.models import Count, Prefetch, Q

from incidents.models import Incident, Postmortem
from incidents.operations.window import window_of
from rollouts import diff
from rollouts.models import Activation, AgentRun, BundleVersion, Invocation, Rollback, RollbackLeg, Stop
from rollouts.telemetry import questions
from rollouts.telemetry.facts import FailureSummary, VersionSeen, Window

#: How long after the decision to stop the harm its last effects are looked for.
LOOKED_AFTER = timedelta(hours=1)
THEATER = "containment theater"


@dataclass(frozen=True, slots=True)
class Moves:
    """What contained the incident, oldest first, and the versions it was about.

    ``bad`` is the version at fault as far as the machine knows: rolled back from, else active when it began;
    ``good`` the one gone back to, else the one before.
    """

    rollbacks: list[Rollback]
    stops: list[Stop]
    bad: BundleVersion | None
    good: BundleVersion | None

    @property
    def decided_at(self) -> datetime | None:
        """When somebody or something first decided to contain."""
        times = [*(each.decided_at for each in self.rollbacks), *(each.decided_at for each in self.stops)]
        return min(times, default=None)


@dataclass(frozen=True, slots=True)
class Runs:
    """What telemetry shows of the window: all runs, those of the bad version, where it ran and where it never did,
    and the tool calls it made that succeeded, which no rollback takes back."""

    window: Window
    summary: FailureSummary
    bad: VersionSeen | None
    regions_reached: list[str]
    regions_spared: list[str]
    tool_calls: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Damage:
    """How long it took from the decision to the last effect, and what that cost at the least (R084–R087).

    ``latency_seconds`` is None while nothing measured it. ``verdict``: ``containment theater`` when containing took
    longer than the harm needed to become unbearable; ``not measured``; ``no limit set``; else ``in time``.
    """

    decided_at: datetime | None
    last_effect_at: datetime | None
    latency_seconds: float | None
    runs_after_decision: int | None
    failed_runs_after_decision: int | None
    minimum_damage: float | None
    verdict: str


def moves_of(incident: Incident) -> Moves:
    """The rollbacks and stops recorded in this incident, with legs and propagation."""
    numbers: dict[str, list[int]] = {"rollback": [], "stop": []}
    for kind, pk in incident.machine_moves.filter(kind__in=numbers).values_list("kind", "object_id"):
        numbers[kind].append(pk)
    rollbacks = list(
        Rollback.objects.filter(pk__in=numbers["rollback"])
        .select_related("from_version__bundle", "to_version__bundle", "activation__propagation")
        .defer("from_version__body", "to_version__body")
        .prefetch_related(Prefetch("legs", RollbackLeg.objects.order_by("position")))
        .order_by("pk")
    )
    stops = list(Stop.objects.filter(pk__in=numbers["stop"]).select_related("kill_switch").order_by("pk"))
    if rollbacks:
        return Moves(rollbacks, stops, rollbacks[0].from_version, rollbacks[-1].to_version)
    active = _active_when_it_began(incident)
    return Moves(rollbacks, stops, active.version if active else None, active.previous if active else None)


def runs_of(incident: Incident, bad: BundleVersion | None, at: datetime) -> Runs | None:
    """What telemetry shows; None while the incident names no agent."""
    if incident.deployment is None:
        return None
    window = window_of(incident, incident.deployment, at)
    seen = questions.versions_seen(window)
    regions = _regions(window, bad)
    return Runs(
        window=window,
        summary=questions.failure_summary(window),
        bad=next((each for each in seen if bad is not None and each.number == bad.number), None),
        regions_reached=[region for region, runs in regions if runs],
        regions_spared=[region for region, runs in regions if not runs],
        tool_calls=_tool_calls(window, bad),
    )


def damage_of(incident: Incident, page: Postmortem, moves: Moves) -> Damage:
    """Measured from telemetry and from what instances fetched; nothing is assumed."""
    decided = moves.decided_at
    flips = [
        *(each.flipped_at for each in moves.rollbacks),
        *(each.engaged_at for each in moves.stops if each.kill_switch.scope == "whole"),  # a part stopped ends nothing
    ]
    if decided is None or not flips or incident.deployment is None or moves.bad is None:
        return Damage(decided, None, None, None, None, None, "not measured")
    last_flip = max(flips)
    window = Window(
        incident.deployment.bundle.key, incident.deployment.environment_id, decided, _until(incident, last_flip)
    )
    after = next((each for each in questions.versions_seen(window) if each.number == moves.bad.number), None)
    reached = [_reached_everybody(each) for each in moves.rollbacks]
    measured = after is not None or (bool(reached) and all(reached))
    effects = [last_flip, *filter(None, reached), *([after.last_at] if after else [])]
    last = max(effects) if measured else None
    latency = max((last - decided).total_seconds(), 0.0) if last else None
    rate = page.damage_rate_per_second
    return Damage(
        decided_at=decided,
        last_effect_at=last,
        latency_seconds=latency,
        runs_after_decision=(after.runs if after else 0) if measured else None,
        failed_runs_after_decision=(after.failed_runs if after else 0) if measured else None,
        minimum_damage=rate * latency if rate is not None and latency is not None else None,
        verdict=verdict(latency, page.blast_seconds),
    )


def verdict(latency_seconds: float | None, blast_seconds: float | None) -> str:
    """Whether containing was quick enough to matter (R086)."""
    if latency_seconds is None:
        return "not measured"
    if blast_seconds is None:
        return "no limit set"
    return THEATER if latency_seconds > blast_seconds else "in time"


def moved_between(good: BundleVersion | None, bad: BundleVersion | None) -> diff.BundleDiff | None:
    """What moved from the good version to the bad one; None unless both are known."""
    if good is None or bad is None:
        return None
    return _compared(good.digest, bad.digest, good.pk, bad.pk)


@lru_cache(maxsize=8)
def _compared(good_digest: str, bad_digest: str, good: int, bad: int) -> diff.BundleDiff:
    """By digest, since versions never change; bodies may be megabytes and are not kept."""
    rows = {row.pk: row for row in BundleVersion.objects.filter(pk__in=(good, bad))}
    before, after = rows[good], rows[bad]
    same = before.behaviour_digest == after.behaviour_digest
    return diff.compare(before.body, after.body, behaviour_unchanged=same)


def _active_when_it_began(incident: Incident) -> Activation | None:
    if incident.deployment is None:
        return None
    began = min(incident.started_at or incident.opened_at, incident.opened_at)
    return (
        Activation.objects.filter(deployment=incident.deployment, at__lte=max(began, incident.opened_at))
        .select_related("version__bundle", "previous__bundle")
        .defer("version__body", "previous__body")
        .order_by("-pk")
        .first()
    )


def _until(incident: Incident, last_flip: datetime) -> datetime:
    """An hour after the last containing move, or when something else was activated before."""
    following = (
        Activation.objects.filter(deployment=incident.deployment, at__gt=last_flip, at__lt=last_flip + LOOKED_AFTER)
        .exclude(kind=Activation.Kind.ROLLBACK)
        .order_by("at")
        .values_list("at", flat=True)
        .first()
    )
    return following or last_flip + LOOKED_AFTER


def _reached_everybody(rollback: Rollback) -> datetime | None:
    """When the last instance had fetched what the flip made true; None when that was not measured, or not all did."""
    measured = getattr(rollback.activation, "propagation", None)
    if measured is None or not measured.instances or measured.reached < measured.instances or measured.max_ms is None:
        return None
    return rollback.flipped_at + timedelta(milliseconds=measured.max_ms)


def _regions(window: Window, bad: BundleVersion | None) -> list[tuple[str, int]]:
    """Every region heard in the window, with how many runs the bad version had there."""
    of_the_bad = Count("trace_id", filter=Q(version_number=bad.number if bad else None))
    rows = (
        AgentRun.objects.filter(
            day__range=(window.since.date(), window.until.date()),
            bundle_key=window.bundle_key,
            environment__in=_named(window.environment),
            at__range=(window.since, window.until),
        )
        .exclude(region="")
        .values_list("region")
        .annotate(runs=of_the_bad)
        .order_by("region")
    )
    return [(region, runs if bad else 0) for region, runs in rows]


def _tool_calls(window: Window, bad: BundleVersion | None) -> list[tuple[str, int]]:
    """Calls of tools that the bad version made and that succeeded, most frequent first."""
    if bad is None:
        return []
    rows = (
        Invocation.objects.filter(
            day__range=(window.since.date(), window.until.date()),
            bundle_key=window.bundle_key,
            environment__in=_named(window.environment),
            at__range=(window.since, window.until),
            version_number=bad.number,
            tool_succeeded=True,
        )
        .exclude(tool_name="")
        .values_list("tool_name")
        .annotate(calls=Count("id"))
        .order_by("-calls", "tool_name")
    )
    return [(name, calls) for name, calls in rows[:20]]


def _named(environment: str) -> tuple[str, ...]:
    """Spans that name no environment count as prod, as alerts do."""
    return ("prod", "") if environment == "prod" else (environment,)
