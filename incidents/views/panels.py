"""What the panels of the five steps ask, one function per question."""

from __future__ import annotations

from typing import Any

from incidents.forms import SEVERITY_MEANINGS
from incidents.models import Branch, Diagnosis, Incident, RollbackAnswer, Severity, Step
from incidents.operations import exits as closing
from incidents.operations import rooms
from incidents.operations.holding import holding
from incidents.views import containment, resolution
from incidents.views.visit import Visit
from rollouts.models import Deployment, Rollback, Stop

BRANCH_CONSEQUENCES = {
    Branch.VERSION: "roll back",
    Branch.DATA: "stop writes",
    Branch.TOOL: "fix or fence the tool",
    Branch.USER: "filter",
}

#: Said when nothing stands in the way of closing a step, where words are still to be given.
READY = {Step.RESOLVE: "Nothing else is open: say where it came from and what makes it right"}


def order(visit: Visit) -> dict[str, Any]:
    """The one thing to do next, whichever panel it stands in; with what a rollback would do when it is that."""
    found = closing.do_next(visit.incident)
    return {"order": found} | (containment.plan(visit) if found.verb == "roll back" else {})


def exits(visit: Visit) -> dict[str, Any]:
    """What the panel's step still needs before it can close."""
    return {
        "unmet": unmet(visit),
        "closed": is_closed(visit.incident, visit.panel),
        "ready": READY.get(Step(visit.panel), "Nothing left: this step can close"),
    }


def unmet(visit: Visit) -> list[str]:
    """The open ends of the panel's step, each fact asked once."""
    if visit.panel == Step.RESOLVE:
        return resolution.unmet(visit)
    return closing.unmet(visit.incident, visit.panel, held=lambda _: holds(visit))


def holds(visit: Visit) -> Rollback | Stop | None:
    """What stands already, and may hold this harm too."""
    return visit.once("held", lambda: holding(visit.incident))


def is_closed(incident: Incident, step: str) -> bool:
    """Whether the step is done or skipped."""
    times = {
        Step.DETECT: [incident.acknowledged_at],
        Step.TRIAGE: [incident.triaged_at, incident.triage_skipped_at],
        Step.CONTAIN: [incident.contained_at, incident.containment_waived_at],
        Step.RESOLVE: [incident.resolved_at],
        Step.DOCUMENT: [incident.documented_at, incident.document_skipped_at],
    }
    return any(times[Step(step)])


def alerts(visit: Visit) -> dict[str, Any]:
    """Every alert of this incident, with what its monitor said."""
    return {"alerts": list(visit.incident.alerts.select_related("integration").order_by("-firing", "-pk")[:100])}


def detect(visit: Visit) -> dict[str, Any]:
    """The header as sent, what can be set, and what else is open."""
    incident = visit.incident
    others = Incident.objects.open().exclude(pk=incident.pk).only("ref", "title", "severity", "opened_at")
    return {
        "header": incident.header,
        "severities": [(level.value, SEVERITY_MEANINGS[level]) for level in Severity],
        "deployments": list(
            Deployment.objects.select_related("bundle").order_by("-environment__position", "bundle__key")[:300]
        ),
        "others": list(others.order_by("severity", "-opened_at")[:5]),
    }


def triage(visit: Visit) -> dict[str, Any]:
    """The 30-second question, the branches, the classes."""
    return {
        "answers": [(answer.value, answer.label.lower()) for answer in RollbackAnswer],
        "branches": [(branch.value, branch.label, BRANCH_CONSEQUENCES[branch]) for branch in Branch],
        "diagnoses": Diagnosis.choices,
        "triage_from": visit.incident.acknowledged_at or visit.incident.opened_at,
        "triage_until": visit.incident.triaged_at or visit.incident.triage_skipped_at,
    }


def held(visit: Visit) -> dict[str, Any]:
    """What stands already and may hold this harm too, while nobody has said that it is contained."""
    incident = visit.incident
    if incident.contained_at is not None or incident.containment_waived_at is not None:
        return {"held": ""}
    move = holds(visit)
    return {"held": rooms.sentence(move) if move is not None else ""}
