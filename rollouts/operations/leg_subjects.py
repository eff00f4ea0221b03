"""What a person has to decide about a leg, for whom, and whether that is done."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.models import User
from rollouts.models import BundleVersion, ConversationTreatment, EvalBaseline, LegDecision, RollbackLeg

#: kind of leg → choice → what it means, as a button says it.
CHOICES: dict[str, dict[str, str]] = {
    "baseline": {
        "re_anchor": "Re-anchor on the good version",
        "pin": "Pin the one before",
    },
    "experiment": {
        "dead": "Experiment dead",
        "restart": "Restart it, without the window",
    },
    "downstream": {
        "revert_parser": "Revert the parser",
        "forward_fix": "Fix forward",
    },
}


@dataclass(frozen=True, slots=True)
class Said:
    """Who decided the last of a leg's subjects, and what was decided in all."""

    user: User
    label: str
    text: str


def subjects(leg: RollbackLeg) -> list[str]:
    """What is to be decided, each by its name; none for legs nobody decides about."""
    rollback = leg.rollback
    if leg.kind == "baseline":
        standing = EvalBaseline.objects.filter(
            bundle=rollback.deployment.bundle_id,
            ended_at=None,
            version__number__in=rollback.taken or [rollback.from_version.number],
        )
        named = _said(leg, "eval_set")
        return list(dict.fromkeys([*([named] if named else []), *standing.values_list("eval_set", flat=True)]))
    if leg.kind == "experiment":
        return [_said(leg, "experiment")[:200]]
    if leg.kind == "downstream":
        told = [
            row.data["consumers"] for row in leg.evidence.all() if "consumers" in row.data
        ]  # few, often read already
        known = [str(each["consumer"])[:200] for each in told[-1]] if told else []
        return known or ["consumers"]
    return []


def decisions(leg: RollbackLeg) -> dict[str, LegDecision]:
    """The newest decision of each subject."""
    return {row.subject: row for row in leg.decisions.select_related("user").order_by("pk")}


def decided(leg: RollbackLeg) -> Said | None:
    """What closes the leg once nothing is left to decide; None while something is, or nobody decided anything."""
    if leg.kind == "histories":
        return _all_treated(leg)
    if leg.kind not in CHOICES:
        return None
    made = decisions(leg)
    if not made or not set(subjects(leg)) <= made.keys():
        return None
    last = max(made.values(), key=lambda row: row.pk)
    if last.user is None:
        return None
    return Said(last.user, last.actor_label, "; ".join(f"{row.subject}: {row.choice}" for row in made.values())[:2000])


def _all_treated(leg: RollbackLeg) -> Said | None:
    rollback = leg.rollback
    last = ConversationTreatment.objects.filter(rollback=rollback).select_related("user").order_by("-pk").first()
    if last is None or last.user is None or rollback.conversations.filter(treatment=None).exists():
        return None
    total = rollback.conversations.count()
    return Said(last.user, last.actor_label, f"All {total} conversations have a treatment.")


def _said(leg: RollbackLeg, name: str) -> str:
    """A member of the bad version's metadata; of a body that was not read, only that is."""
    version = leg.rollback.from_version
    if "body" not in version.get_deferred_fields():
        return str(version.metadata.get(name) or "").strip()
    found = BundleVersion.objects.filter(pk=version.pk).values_list(f"body__metadata__{name}", flat=True)
    return str(found.first() or "").strip()
