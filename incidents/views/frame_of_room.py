"""What stands around every panel of a room: the head and the rail of five steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from accounts.actors import Actor
from accounts.permissions import Permission, allows
from incidents.models import Owed, Responder, SlackHealth, Status, Step
from incidents.views.visit import Visit, panel_url

DUTY_WORDS = {
    Responder.Duty.COMMANDER: "Commander",
    Responder.Duty.OPERATIONS: "Operations",
    Responder.Duty.COMMS: "Comms",
    Responder.Duty.SCRIBE: "Scribe",
}
STATUS_TONES = {
    Status.OPEN: "crit",
    Status.CONTAINED: "warn",
    Status.RECOVERED: "ok",
    Status.RESOLVED: "ok",
    Status.CLOSED: "",
}


@dataclass(frozen=True, slots=True)
class DutyView:
    """One duty and who holds it."""

    value: str
    word: str
    holder: str
    can_take: bool


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of the rail: its state as a glyph and word, when it closed or why it was skipped."""

    value: str
    word: str
    state: str
    at: datetime | None
    reason: str
    url: str
    selected: bool


def head(visit: Visit) -> dict[str, Any]:
    """Who holds it, who has which duty, what is owed."""
    incident = visit.incident
    holders = {r.duty: r.user for r in incident.responders.filter(to_at=None).select_related("user")}
    debts = owed(visit)
    may_take = allows(visit.actor, Permission.RESPOND) and incident.step != Step.CLOSED
    return {
        "duties": [
            DutyView(duty.value, word, str(holders.get(duty, "")), can_take(visit.actor, holders.get(duty), may_take))
            for duty, word in DUTY_WORDS.items()
        ],
        "owed": debts,
        "severity_owed": any(debt.kind == Owed.Kind.SEVERITY for debt in debts),
        "status_tone": STATUS_TONES[Status(incident.status)],
        "slack_away": slack_away(),
    }


def slack_away() -> SlackHealth | None:
    """Since when Slack takes nothing; whoever waits for its card or for an answer there has to know."""
    if not settings.SLACK_BOT_TOKEN:
        return None
    return SlackHealth.objects.filter(unreachable_since__isnull=False).first()


def owed(visit: Visit) -> list[Owed]:
    """What somebody still has to supply."""
    return visit.once("owed", lambda: list(visit.incident.owed.filter(given_at=None)))


def can_take(actor: Actor, holder: object, may_take: bool) -> bool:
    """A duty can be taken by a person who does not hold it and while nobody else does."""
    return may_take and actor.person is not None and holder is None


def rail(visit: Visit) -> dict[str, Any]:
    """The five steps."""
    incident = visit.incident
    facts: list[tuple[Step, datetime | None, datetime | None, str]] = [
        (Step.DETECT, incident.acknowledged_at, None, ""),
        (Step.TRIAGE, incident.triaged_at, incident.triage_skipped_at, incident.triage_skip_reason),
        (Step.CONTAIN, incident.contained_at, incident.containment_waived_at, incident.containment_waiver_reason),
        (Step.RESOLVE, incident.resolved_at, None, ""),
        (Step.DOCUMENT, incident.documented_at, incident.document_skipped_at, incident.document_skip_reason),
    ]
    steps = []
    for step, done_at, skipped_at, reason in facts:
        state = "done" if done_at else "skipped" if skipped_at else "running" if step == incident.step else "open"
        steps.append(
            StepView(
                step.value,
                step.label,
                state,
                done_at or skipped_at,
                reason,
                panel_url(incident, step),
                step == visit.panel,
            )
        )
    return {"steps": steps}
