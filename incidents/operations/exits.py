"""What closes each step, and what to do next: sentences for pages and refusals, which change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from accounts.errors import OperationRefused
from incidents.models import Branch, Incident, Owed, Responder, RollbackAnswer, Step
from incidents.operations import proving, rooms
from incidents.operations.holding import holding
from incidents.operations.postmortems import ready
from rollouts.models import Activation, BundleVersion, Deployment, Rollback, RollbackLeg, Stop


def unmet(
    incident: Incident,
    step: str,
    *,
    held: Callable[[Incident], Rollback | Stop | None] = holding,
    proof: Callable[[Incident], proving.Standing] = proving.standing,
    owed: Callable[[Incident], Iterable[Owed]] = lambda incident: incident.owed.filter(given_at=None),
) -> list[str]:
    """What ``step`` still needs before it can close, as orders; empty when it can.

    ``held``, ``proof`` and ``owed`` say what holds the harm, what the cases prove and what is owed, for a page that
    knows already.
    """
    if step == Step.DETECT:
        return _detect(incident)
    if step == Step.TRIAGE:
        return _triage(incident)
    if step == Step.CONTAIN:
        return [*_harm_stopped(incident, held), *_legs(incident)]
    if step == Step.RESOLVE:
        open_ends = [*_harm_stopped(incident, held), *_legs(incident), *_owed(owed(incident))]
        return [*open_ends, *proving.unmet(proof(incident))]
    if step == Step.DOCUMENT:
        return ready.unmet(incident, getattr(incident, "postmortem", None))
    return []


def refuse_unmet(incident: Incident, step: str) -> None:
    """Refuse to close ``step`` of ``incident`` while something is unmet, naming all of it."""
    refuse(unmet(incident, step), f"{Step(step).label} of {incident.ref} cannot close yet")


def refuse(reasons: list[str], sentence: str) -> None:
    """Refuse with ``sentence`` and every reason, when there are any; they are ``reasons`` of the JSON answer."""
    if reasons:
        raise OperationRefused(f"{sentence}: {' '.join(reasons)}", details={"reasons": reasons})


def _detect(incident: Incident) -> list[str]:
    found = []
    if incident.acknowledged_at is None:
        found.append("Acknowledge it: a person has to have it.")
    if incident.owed.filter(kind=Owed.Kind.SEVERITY, given_at=None).exists():
        found.append("Set the severity.")
    if not incident.responders.filter(duty=Responder.Duty.COMMANDER, to_at=None).exists():
        found.append("Name a commander.")
    return found


def _triage(incident: Incident) -> list[str]:
    found = []
    if not incident.rollback_answer:
        found.append("Answer what rolling back would do.")
    if not incident.branch:
        found.append("Choose a branch.")
    return found


def _harm_stopped(incident: Incident, held: Callable[[Incident], Rollback | Stop | None]) -> list[str]:
    if incident.contained_at is None and incident.containment_waived_at is None:
        if (move := held(incident)) is not None:
            return [f"Say that it is contained already. {rooms.sentence(move)}."]
        return ["Stop the harm: roll back or stop the agent, or waive containment with a reason."]
    return []


def _legs(incident: Incident) -> list[str]:
    """Of the rollbacks told here; one that was rolled forward has nothing left to walk."""
    rollbacks = incident.machine_moves.filter(kind="rollback").values("object_id")
    forward = Activation.objects.filter(
        kind=Activation.Kind.ROLL_FORWARD,
        deployment=OuterRef("rollback__deployment"),
        version=OuterRef("rollback__from_version"),
        pk__gt=OuterRef("rollback__activation"),
    )
    closed = (RollbackLeg.State.DONE, RollbackLeg.State.WAIVED, RollbackLeg.State.NOT_APPLICABLE)
    kinds = (
        RollbackLeg.objects.filter(~Exists(forward), rollback__in=rollbacks)
        .exclude(state__in=closed)
        .order_by("position")
        .values_list("kind", flat=True)
    )
    names = list(dict.fromkeys(RollbackLeg.Kind(kind).label.lower() for kind in kinds))
    return [f"Finish or waive the rollback's legs: {', '.join(names)}."] if names else []


def _owed(debts: Iterable[Owed]) -> list[str]:
    """An investigation may take its time: it is owed by the postmortem, and delays no resolving (R164)."""
    return [f"{debt.text.rstrip('.')}." for debt in debts if debt.kind != Owed.Kind.INVESTIGATION]


@dataclass(frozen=True, slots=True)
class Order:
    """What to do next: ``verb`` is the operation's word, ``step`` the panel it stands in, ``text`` the order."""

    verb: str
    step: str
    text: str

    def __str__(self) -> str:
        return self.text


def do_next(incident: Incident) -> Order:
    """The one order the room shows above all others (UX 5.2)."""
    if incident.step == Step.DETECT:
        return Order("acknowledge", Step.DETECT, "Acknowledge: say that you have it.")
    if incident.deployment is None and incident.resolved_at is None:
        return Order("choose deployment", Step.DETECT, "Say which agent this is about.")
    triaging = incident.step == Step.TRIAGE
    if triaging and not incident.rollback_answer:
        return Order("answer", Step.TRIAGE, "Answer the 30-second question: what would rolling back do?")
    harm_on = incident.contained_at is None and incident.containment_waived_at is None
    held = holding(incident) if harm_on else None
    if held is not None:
        return Order("say contained", Step.CONTAIN, f"Say that it is contained already. {rooms.sentence(held)}.")
    if harm_on and incident.rollback_answer == RollbackAnswer.STOP_THE_BLEED:
        return _go_back(incident)
    if triaging and not incident.branch:
        return Order("answer", Step.TRIAGE, "Choose the branch: version, data, tool or user side.")
    if harm_on:
        return _contain(incident)
    if triaging:
        return Order("close triage", Step.TRIAGE, "Close triage: question and branch are answered.")
    if incident.step == Step.RESOLVE:
        left = unmet(incident, Step.RESOLVE)
        return Order("resolve", Step.RESOLVE, left[0] if left else "Resolve: say where it came from and what fixed it.")
    if incident.step == Step.DOCUMENT:
        return Order("document", Step.DOCUMENT, "Write the postmortem while it is fresh.")
    return Order("", Step.CLOSED, "Nothing: the record is complete.")


def _contain(incident: Incident) -> Order:
    """By branch; a rollback is the order only where the version regressed (R034–R037)."""
    if incident.branch == Branch.DATA:
        return Order("stop", Step.CONTAIN, "Stop writes, then repair the data as work of its own.")
    if incident.branch == Branch.TOOL:
        return Order("note", Step.CONTAIN, "Note what changed downstream before deciding on a rollback.")
    if incident.branch == Branch.USER:
        return Order("stop", Step.CONTAIN, "Filter the input for now, or fix forward.")
    return _go_back(incident)


def _go_back(incident: Incident) -> Order:
    label = last_good_label(incident.deployment) if incident.deployment is not None else None
    if label is None:
        return Order("stop", Step.CONTAIN, "Nothing to go back to: stop the agent and send its work to a human.")
    return Order("roll back", Step.CONTAIN, f"Roll back to {label}.")


def last_good_label(deployment: Deployment) -> str | None:
    """The label of the version below the active one in the stack; None when there is none."""
    if len(deployment.stack) < 2:
        return None
    return (
        BundleVersion.objects.filter(bundle_id=deployment.bundle_id, number=deployment.stack[-2])
        .values_list("label", flat=True)
        .first()
    )
