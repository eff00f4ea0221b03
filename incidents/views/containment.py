"""What the Contain panel shows: what one press would do, what it did, which legs and stops stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Q

from accounts import clock
from accounts.words import ago, duration, milliseconds
from incidents.models import Branch, Incident, TimelineEntry
from incidents.views.visit import Visit
from rollouts import stack
from rollouts.models import BundleVersion, Deployment, Instance, Propagation, Rollback, RollbackLeg, Stop

#: An instance that has not asked for so long is silent, and nobody waits for it.
ALIVE = timedelta(minutes=5)
#: One tap says why, after the press. The note on the timeline begins with these words.
WHY = "Why rolled back: "
REASONS = ["the new version regressed", "customers complained", "a tool misbehaved", "to be on the safe side"]
IN_FLIGHT = {
    "complete_old": "calls that have begun finish under the old version",
    "complete_new": "calls that have begun finish under the new version",
    "cancel_retry": "calls that have begun are cancelled and retried",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What pressing Roll back would do now. Without ``new`` there is nothing to go back to and ``why_not`` says why."""

    key: str = ""
    old: BundleVersion | None = None
    new: BundleVersion | None = None
    facts: list[str] = field(default_factory=list)
    why_not: str = ""
    prefers_stop: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a flip has got, measured from what instances fetched."""

    instances: int
    reached: int
    p50_ms: float | None
    max_ms: float | None

    @property
    def complete(self) -> bool:
        return self.instances > 0 and self.reached >= self.instances

    @property
    def share(self) -> float:
        return self.reached / self.instances if self.instances else 0.0


def plan(visit: Visit) -> dict[str, Any]:
    """From, to, and what stands beside the button before it is pressed."""
    deployment = visit.incident.deployment
    if deployment is None:
        return {"plan": Plan(why_not="The incident names no agent yet.")}
    stops_first = visit.incident.branch in {Branch.DATA, Branch.USER}
    number = stack.last_good_number(deployment.stack)
    if deployment.active is None or number is None:
        why = "It has never had an active version." if deployment.active is None else "It is the only version left."
        return {"plan": Plan(str(deployment), deployment.active, None, why_not=why, prefers_stop=True)}
    rows = {row.version.number: row for row in stack.view(deployment, visit.at)}
    target = rows.get(number)
    if target is None:
        return {"plan": Plan(str(deployment), deployment.active, None, why_not="Its history is missing.")}
    facts = [*stood(target, deployment, visit), *proven(deployment), *undoes_not(deployment)]
    return {"plan": Plan(str(deployment), deployment.active, target.version, facts, prefers_stop=stops_first)}


def stood(target: stack.StackRow, deployment: Deployment, visit: Visit) -> list[str]:
    """How the version to go back to has stood."""
    facts = []
    if deployment.activated_at:
        served = duration(deployment.activated_at - target.activated_at)
        facts.append(f"{target.version.label} served for {served}, until {deployment.activated_at:%d %b %H:%M} UTC")
    if target.warm_until and target.warm_until > visit.at:
        facts.append(f"still warm, {duration(target.warm_until - visit.at)} left")
    else:
        facts.append("no longer warm: first answers may be slower")
    return facts


def proven(deployment: Deployment) -> list[str]:
    """When rolling back was last seen to work here."""
    last = deployment.rollbacks.only("flipped_at", "committed_ms").first()
    if last is None:
        return ["no rollback here yet to measure by"]
    return [f"last rollback here {ago(last.flipped_at)}, committed in {milliseconds(last.committed_ms)}"]


def undoes_not(deployment: Deployment) -> list[str]:
    """What the press leaves as it is."""
    policy = ""
    if deployment.active is not None:
        stored = BundleVersion.objects.filter(pk=deployment.active.pk)
        policy = str(stored.values_list("body__metadata__in_flight_policy", flat=True).first() or "")
    return [
        IN_FLIGHT.get(policy, "no in-flight policy declared: calls that have begun may end either way"),
        "does not undo what has already been sent or written",
    ]


def outcome(visit: Visit) -> dict[str, Any]:
    """The rollback that stands, how far it has got, and its legs; legs of an earlier one while they are open."""
    incident = visit.incident
    rollback = shown_rollback(incident)
    if rollback is None:
        return {"rollback": None, "legs": [], "legs_closed": 0}
    legs = list(rollback.legs.select_related("closed_by"))
    closed = sum(leg.is_closed for leg in legs)
    standing = incident.deployment is not None and incident.deployment.standing_rollback_id == rollback.pk
    return {
        "rollback": rollback if standing else None,
        "earlier_rollback": None if standing else rollback,
        "before_incident": rollback.flipped_at < incident.opened_at,
        "legs": legs,
        "legs_closed": closed,
        "legs_line": legs_line(legs, closed),
        "reach": reach(rollback, visit),
        "in_flight": IN_FLIGHT.get(rollback.in_flight_policy, "no policy was declared"),
        "why": rollback.reason or said_why(incident),
        "reasons": REASONS,
        "further": further(incident.deployment) if standing and incident.deployment else None,
    }


def said_why(incident: Incident) -> str:
    """The reason given on the timeline after the press; empty while there is none."""
    note = incident.timeline.filter(kind=TimelineEntry.Kind.NOTE, text__startswith=WHY).only("text").first()
    return note.text.removeprefix(WHY) if note else ""


def shown_rollback(incident: Incident) -> Rollback | None:
    """The deployment's standing rollback, else the latest one recorded in this incident."""
    deployment = incident.deployment
    recorded = incident.machine_moves.filter(kind="rollback").values("object_id")
    wanted = Q(pk__in=recorded)
    if deployment is not None and deployment.standing_rollback_id:
        wanted = Q(pk=deployment.standing_rollback_id)
    return (
        Rollback.objects.filter(wanted)
        .select_related("from_version", "to_version", "activation__propagation")
        .defer("from_version__body", "to_version__body")
        .first()
    )


def further(deployment: Deployment) -> BundleVersion | None:
    """One version further back than the last good one, for when that is bad too."""
    number = stack.last_good_number(deployment.stack)
    if number is None:
        return None
    return BundleVersion.objects.defer("body").filter(bundle_id=deployment.bundle_id, number=number).first()


def legs_line(legs: list[RollbackLeg], closed: int) -> str:
    """``Flipped, 5 legs open``; never complete before each is done or waived."""
    failed = sum(leg.state == RollbackLeg.State.FAILED for leg in legs)
    left = len(legs) - closed
    if left == 0:
        return "Complete: every leg is done, waived by name or not applicable."
    return f"Flipped, {left} leg{'s' if left != 1 else ''} open" + (f", {failed} failed" if failed else "")


def reach(rollback: Rollback, visit: Visit) -> Reach:
    """Measured propagation; while nobody has measured it, who fetched the flip's epoch among those alive."""
    measured: Propagation | None = getattr(rollback.activation, "propagation", None)
    if measured is not None and measured.instances:
        return Reach(measured.instances, measured.reached, measured.p50_ms, measured.max_ms)
    alive = Instance.objects.filter(deployment_id=rollback.deployment_id, last_seen_at__gte=visit.at - ALIVE)
    fetched = [
        (row.fetched_at - rollback.flipped_at).total_seconds() * 1000 if row.epoch >= rollback.epoch else None
        for row in alive.only("epoch", "fetched_at")
    ]
    there = sorted(ms for ms in fetched if ms is not None)
    return Reach(
        len(fetched), len(there), there[len(there) // 2] if there else None, max(there[-1], 0.0) if there else None
    )


def stops(visit: Visit) -> dict[str, Any]:
    """Stops that stand for this deployment, and the scopes that one press could stop, narrowest first."""
    deployment = visit.incident.deployment
    if deployment is None:
        return {"stops": [], "scopes": [], "fallback": ""}
    engaged = list(
        Stop.objects.filter(kill_switch__deployment=deployment, released_at=None).select_related("kill_switch")
    )
    taken = {stop.kill_switch.scope for stop in engaged}
    scopes = [(value, word) for value, word in scopes_of(deployment) if value not in taken]
    known = deployment.kill_switches.exclude(fallback="").values_list("fallback", flat=True).first()
    return {"stops": engaged, "scopes": scopes, "fallback": known or "a human"}


def scopes_of(deployment: Deployment) -> list[tuple[str, str]]:
    """Writes, each region that is seen, each tool of the active version, the whole agent."""
    regions = (
        Instance.objects.filter(deployment=deployment, last_seen_at__gte=clock.now() - timedelta(hours=1))
        .exclude(region="")
        .order_by("region")
        .values_list("region", flat=True)
        .distinct()[:6]
    )
    active = deployment.active.pk if deployment.active else 0
    stored = BundleVersion.objects.filter(pk=active).values_list("body__tools", flat=True).first()
    tools = [str(tool["name"]) for tool in stored or [] if isinstance(tool, dict) and "name" in tool][:6]
    return [
        ("writes", "Writes only"),
        *((f"region:{region}", f"Region {region}") for region in regions),
        *((f"tool:{tool}", f"Tool {tool}") for tool in tools),
        ("whole", "The whole agent"),
    ]
