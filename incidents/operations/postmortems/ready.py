"""What a postmortem still needs before it can close, as orders. Asks, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents import lint
from incidents.models import Incident, Postmortem, PostmortemRevision, Severity, SignOff
from incidents.operations import owed, severity
from incidents.operations.postmortems import questions
from incidents.operations.postmortems.content import content_of
from incidents.operations.postmortems.written import editable

#: What the page cannot lack (R152); the other sections are welcome.
REQUIRED_TEXTS = {
    "root_cause": "Write the root cause.",
    "impact": "Write the impact: who saw what, how much, how long.",
    "resolution": "Write what resolved it.",
    "prevention": "Write what prevents it next time.",
}
#: Incidents that were once so bad have their postmortem signed by two people, each in a role of their own.
SIGNED_TWICE = frozenset({Severity.SEV1, Severity.SEV2})


def unmet(incident: Incident, page: Postmortem | None, content: Mapping[str, Any] | None = None) -> list[str]:
    """Every reason why the postmortem of ``incident`` cannot close; empty when it can.

    ``content`` is the page's, when the caller has asked for it already.
    """
    if page is None:
        begin = "Begin the postmortem: it is drafted from the record."
        return [begin, *owed.orders(incident), *unresolved(incident)]
    content = content if content is not None else content_of(page)
    return [
        *missing(content),
        *owed.orders(incident),
        *unresolved(incident),
        *_unsigned(incident, content, page.revisions.first()),
    ]


def missing(content: Mapping[str, Any]) -> list[str]:
    """What the page itself lacks: texts, answers after a rollback, owners and days of actions, what lint forbids."""
    texts = {name: section["text"] for name, section in content["sections"].items()}
    found = [order for name, order in REQUIRED_TEXTS.items() if not texts.get(name, "").strip()]
    found += questions.unanswered(content)
    return found + [each.sentence for each in lint.findings(content) if each.blocks]


def signed_twice(incident: Incident) -> bool:
    """Whether two people sign; lowering the severity afterwards spares nobody."""
    return severity.worst(incident) in SIGNED_TWICE


def unresolved(incident: Incident) -> list[str]:
    """Writing, publishing and signing go before resolving; nothing closes before it (CONTRACT §3)."""
    return [f"Resolve {incident.ref} first: say what made it right."] if incident.resolved_at is None else []


def _unsigned(incident: Incident, content: Mapping[str, Any], revision: PostmortemRevision | None) -> list[str]:
    if revision is None:
        return ["Publish the page."]
    if editable(revision.content) != editable(content):
        return [f"Publish it again: the page has changed since revision {revision.number}."]
    if incident.resolved_at is not None and revision.at < incident.resolved_at:
        return [f"Publish it again: {incident.ref} was resolved after revision {revision.number}."]
    signed = set(revision.sign_offs.values_list("role", flat=True))
    if not signed_twice(incident):
        return [] if signed else [f"Have revision {revision.number} signed, by a commander or an approver."]
    wanted = {SignOff.Role.COMMANDER: "a commander", SignOff.Role.APPROVER: "an approver"}
    return [f"Have revision {revision.number} signed by {who}." for role, who in wanted.items() if role not in signed]
