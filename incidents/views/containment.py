"""What the Contain panel shows: what one press would do, what it did, which legs and stops stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.words import ago, duration, milliseconds
from incidents.models import Branch, Incident, MachineMove, TimelineEntry
from incidents.views.stops import standing, stop_rows
from incidents.views.visit import Visit
from rollouts import stack
from rollouts.models import BundleVersion, Deployment, Instance, LegEvidence, Propagation, Rollback, RollbackLeg

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


@dataclass(frozen=True, slots=True)
class Side:
    """What the panel needs of a version's body, which may be megabytes."""

    number: int
    label: str
    policy: str
    tools: list[str]


def plan(visit: Visit) -> dict[str, Any]:
    """From, to, and what stands beside the button before it is pressed."""
    deployment = visit.incident.deployment
    if deployment is None:
        return {"plan": Plan(why_not="The incident names no agent yet.")}
    key = str(deployment)
    if deployment.standing_rollback_id:
        return {"plan": Plan(key, deployment.active)}
    number = stack.last_good_number(deployment.stack)
    if deployment.active is None or number is None:
        why = "It has never had an active version." if deployment.active is None else "It is the only version left."
        return {"plan": Plan(key, deployment.active, why_not=why, prefers_stop=True)}
    return {"plan": visit.once("plan", lambda: way_back(visit, deployment, number))}


def way_back(visit: Visit, deployment: Deployment, number: int) -> Plan:
    """The plan when there is something to go back to."""
    rows = {row.version.number: row for row in stack.view(deployment, visit.at)}
    target = rows[number]
    active = sides(visit, deployment).get(deployment.stack[-1])
    policy = active.policy if active else ""
    facts = [
        *stood(target, deployment, visit),
        proven(latest_rollback(visit)),
        IN_FLIGHT.get(policy, "no in-flight policy declared: calls that have begun may end either way"),
        "does not undo what has already been sent or written",
    ]
    stops_first = visit.incident.branch in {Branch.DATA, Branch.USER}
    return Plan(str(deployment), deployment.active, target.version, facts, prefers_stop=stops_first)


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


def proven(last: Rollback | None) -> str:
    """When rolling back was last seen to work here."""
    if last is None:
        return "no rollback here yet to measure by"
    return f"last rollback here {ago(last.flipped_at)}, committed in {milliseconds(last.committed_ms)}"


def sides(visit: Visit, deployment: Deployment) -> dict[int, Side]:
    """The versions on top of the stack by number, without their bodies."""

    def ask() -> dict[int, Side]:
        rows = BundleVersion.objects.filter(
            bundle_id=deployment.bundle_id, number__in=deployment.stack[-2:]
        ).values_list("number", "label", "body__metadata__in_flight_policy", "body__tools")
        return {
            number: Side(number, label, str(policy or ""), [str(tool.get("name", "")) for tool in tools or []])
            for number, label, policy, tools in rows
        }

    return visit.once("sides", ask)


def instances(visit: Visit) -> list[Instance]:
    """Who has been heard in the last hour."""
    deployment = visit.incident.deployment
    heard = Instance.objects.filter(deployment=deployment, last_seen_at__gte=visit.at - timedelta(hours=1))
    return visit.once("instances", lambda: list(heard[:5_000]))


def latest_rollback(visit: Visit) -> Rollback | None:
    """The deployment's latest rollback, which is the standing one if any; ``here``: recorded in this incident."""
    deployment, incident = visit.incident.deployment, visit.incident
    if deployment is None:
        return None
    recorded = MachineMove.objects.filter(kind="rollback", object_id=OuterRef("pk"), incident=incident)
    found = (
        Rollback.objects.filter(deployment=deployment)
        .select_related("from_version", "to_version", "activation__propagation")
        .defer("from_version__body", "to_version__body")
        .annotate(here=Exists(recorded))
    )
    return visit.once("latest_rollback", found.first)


def shown_rollback(visit: Visit) -> Rollback | None:
    """The rollback that stands, else the latest one when it belongs to this incident."""
    found = latest_rollback(visit)
    standing = visit.incident.deployment.standing_rollback_id if visit.incident.deployment else None
    if found is None:
        return None
    return found if found.pk == standing or getattr(found, "here", False) else None


def outcome(visit: Visit) -> dict[str, Any]:
    """The rollback that stands, how far it has got, and its legs; legs of an earlier one while they are open."""
    incident, deployment = visit.incident, visit.incident.deployment
    rollback = shown_rollback(visit)
    if rollback is None or deployment is None:
        return {"rollback": None, "legs": [], "legs_closed": 0}
    legs = visit.once("legs", lambda: legs_of(rollback))
    closed = sum(leg.is_closed for leg in legs)
    standing = deployment.standing_rollback_id == rollback.pk
    return {
        "rollback": rollback if standing else None,
        "before_incident": rollback.flipped_at < incident.opened_at,
        "legs": legs,
        "legs_closed": closed,
        "legs_line": legs_line(legs, closed),
        "reach": reach(rollback, visit),
        "in_flight": IN_FLIGHT.get(rollback.in_flight_policy, "no policy was declared"),
        "why": rollback.reason or visit.once("why", lambda: said_why(rollback, incident)),
        "reasons": REASONS,
        "further": further(visit, deployment) if standing else None,
    }


def legs_of(rollback: Rollback) -> list[RollbackLeg]:
    """The legs; each that is open with what the machine last found out about it, as ``found``."""
    newest = LegEvidence.objects.filter(leg=OuterRef("pk")).order_by("-pk").values("text")[:1]
    return list(rollback.legs.select_related("closed_by", "verified_by").annotate(found=Subquery(newest)))


def said_why(rollback: Rollback, incident: Incident) -> str:
    """The reason given after the press, in this room or in the one it was recorded in; empty while there is none."""
    recorded = MachineMove.objects.filter(kind="rollback", object_id=rollback.pk).values("incident")
    said = TimelineEntry.objects.filter(Q(incident=incident) | Q(incident__in=recorded), at__gte=rollback.flipped_at)
    note = said.filter(kind=TimelineEntry.Kind.NOTE, text__startswith=WHY).only("text").order_by("-at").first()
    return note.text.removeprefix(WHY) if note else ""


def further(visit: Visit, deployment: Deployment) -> Side | None:
    """One version further back than the last good one, for when that is bad too."""
    number = stack.last_good_number(deployment.stack)
    return sides(visit, deployment).get(number) if number is not None else None


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
    if measured is not None:
        return Reach(measured.instances, measured.reached, measured.p50_ms, measured.max_ms)
    alive = [each for each in instances(visit) if each.last_seen_at >= visit.at - ALIVE]
    there = sorted(
        max((each.fetched_at - rollback.flipped_at).total_seconds() * 1000, 0.0)
        for each in alive
        if each.epoch >= rollback.epoch
    )
    return Reach(len(alive), len(there), there[len(there) // 2] if there else None, there[-1] if there else None)


def stops(visit: Visit) -> dict[str, Any]:
    """Stops that stand for this deployment, and the scopes that one press could stop, narrowest first."""
    deployment = visit.incident.deployment
    if deployment is None:
        return {"stops": [], "scopes": [], "whole": False, "fallback": ""}
    rows = stop_rows(visit)
    engaged = [row.engaged for row in rows if row.engaged]
    taken = {row.scope for row in rows if row.engaged}
    known = dict(scopes_of(visit, deployment))
    known |= {row.scope: row.scope.replace(":", " ").capitalize() for row in rows if row.scope not in {*known, "whole"}}
    scopes = [(value, word) for value, word in known.items() if value not in taken]
    fallback = next((row.fallback for row in rows if row.fallback), "a human")
    return {"stops": engaged, "scopes": scopes, "whole": "whole" not in taken, "fallback": fallback} | standing(visit)


def scopes_of(visit: Visit, deployment: Deployment) -> list[tuple[str, str]]:
    """What one press may stop: writes, each region that is heard, each tool of the active version."""
    regions = sorted({each.region for each in instances(visit) if each.region})[:6]
    active = sides(visit, deployment).get(deployment.stack[-1]) if deployment.stack else None
    return [
        ("writes", "Writes only"),
        *((f"region:{region}", f"Region {region}") for region in regions),
        *((f"tool:{tool}", f"Tool {tool}") for tool in (active.tools if active else [])[:6] if tool),
    ]
