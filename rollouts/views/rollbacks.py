"""One rollback: its order and times, each leg with its evidence, and what a person decides about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.actors import Actor
from accounts.errors import NotPermitted, OperationRefused
from accounts.http import Rights, show, whole_number
from accounts.middleware import ActorRequest
from rollouts import access, leg_answers, signals
from rollouts.models import ConversationTreatment, LegEvidence, LegStep, RollbackLeg
from rollouts.operations import cohorts, drain, leg_decisions, leg_subjects, legs

#: Evidence that a leg shows at once; the API has all of it.
SHOWN = 12
#: Conversations of one page of the list.
PAGE = 100
BUTTONS = {"drain": "Drain", "pin": "Pin", "reset": "Reset", "force_next_turn": "Force next turn"}
IN_FLIGHT = {
    "complete_old": "finishes under the old version",
    "complete_new": "finishes under the new version",
    "cancel_retry": "is cancelled and retried",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One subject of a leg, what may be chosen for it, and what was."""

    subject: str
    options: list[tuple[str, str]]
    made: Any


@dataclass(frozen=True, slots=True)
class Shown:
    """One leg as the page draws it."""

    row: RollbackLeg
    steps: list[LegStep]
    evidence: list[LegEvidence]
    more: int
    choices: list[Choice]

    @property
    def stuck(self) -> bool:
        return any(step.state in {"failed", "blocked"} for step in self.steps)


@require_safe
def rollback(request: ActorRequest, pk: int) -> HttpResponse:
    """The page; its region ``rollback`` alone when htmx asks for it."""
    found = access.get_rollback(request.actor, pk)
    rows = [shown(row) for row in leg_answers.legs_of(found)]
    flip = next(leg.row for leg in rows if leg.row.kind == "flip")
    counts = drain.totals(found)
    closed = sum(leg.row.is_closed for leg in rows)
    histories = next(leg.row for leg in rows if leg.row.kind == "histories")
    context = {
        "rollback": found,
        "ref": signals.incident_of("rollback", found.pk),
        "legs": rows,
        "closed": closed,
        "stages": drain.stages(found, counts, list(flip.steps.all())),
        "counts": counts,
        "policy": IN_FLIGHT.get(found.in_flight_policy, "ends either way: no policy was declared"),
        "not_undone": leg_answers.not_undone(flip),
        "cohorts": cohorts.counted(found) if histories.state != "not_applicable" else [],
        "treatments": [(value, BUTTONS[value], word) for value, word in ConversationTreatment.Treatment.choices],
        "may": Rights(request.actor, found.deployment),
    }
    return show(request, "rollouts/rollback.html", context, region="rollback")


def shown(row: RollbackLeg) -> Shown:
    evidence = list(row.evidence.all())
    choices = []
    if row.kind in leg_subjects.CHOICES and row.state not in {"not_applicable", "waived"}:
        made = {each.subject: each for each in row.decisions.all()}
        options = list(leg_subjects.CHOICES[row.kind].items())
        choices = [Choice(name, options, made.get(name)) for name in leg_subjects.subjects(row)]
    return Shown(row, list(row.steps.all()), evidence[-SHOWN:][::-1], max(len(evidence) - SHOWN, 0), choices)


@require_POST
def leg_press(request: ActorRequest, pk: int, kind: str) -> HttpResponse:
    """Done, waive, verify, retry or decide, as the form says."""
    actor = acting(request)
    leg = access.get_leg(actor, pk, kind)
    asked = request.POST
    match asked.get("verb"):
        case "done" | "waive" as verb:
            state = RollbackLeg.State.WAIVED if verb == "waive" else RollbackLeg.State.DONE
            legs.close(leg, actor=actor, state=state, reason=asked.get("reason", "").strip()[:2000])
        case "verify":
            legs.verify(leg, actor=actor)
        case "retry":
            legs.retry(leg, actor=actor)
        case "decide":
            subject, choice = asked.get("subject", "")[:200], asked.get("choice", "")[:40]
            note = asked.get("note", "").strip()[:2000]
            leg_decisions.decide(leg, actor=actor, subject=subject, choice=choice, note=note)
        case other:
            raise OperationRefused(f"A leg is done, waived, verified, retried or decided, not {other}.", status=422)
    return redirect(f"{reverse('rollouts:rollback', args=[pk])}#leg-{kind}")


@require_POST
def treat(request: ActorRequest, pk: int) -> HttpResponse:
    """Choose what becomes of a cohort of conversations."""
    actor = acting(request)
    found = access.get_rollback(actor, pk)
    cohort, treatment = request.POST.get("cohort", "")[:220], request.POST.get("treatment", "")[:40]
    reason = request.POST.get("reason", "").strip()[:2000]
    leg_decisions.treat(found, actor=actor, cohort=cohort, treatment=treatment, reason=reason)
    return redirect(f"{reverse('rollouts:rollback', args=[pk])}#leg-histories")


@require_safe
def conversations(request: ActorRequest, pk: int) -> HttpResponse:
    """The conversations of a cohort, newest first, a hundred at a time."""
    found = access.get_rollback(request.actor, pk)
    cohort = request.GET.get("cohort", "all")[:220]
    rows = cohorts.of(found, cohort).select_related("treatment").order_by("-pk")
    before = whole_number(request.GET.get("before", ""))
    page = list((rows.filter(pk__lt=before) if before else rows)[: PAGE + 1])
    older = urlencode({"cohort": cohort, "before": page[PAGE - 1].pk}) if len(page) > PAGE else ""
    context = {
        "rollback": found,
        "cohort": cohort,
        "rows": page[:PAGE],
        "older": older,
        "cohorts": cohorts.counted(found),
        "may": Rights(request.actor, found.deployment),
    }
    return show(request, "rollouts/conversations.html", context)


@require_safe
def export(request: ActorRequest, pk: int, form: str) -> StreamingHttpResponse:
    """All of a cohort as a file, streamed."""
    found = access.get_rollback(request.actor, pk)
    if form not in leg_answers.FORMATS:
        raise Http404
    cohort = request.GET.get("cohort", "all")[:220]
    cohorts.of(found, cohort)
    headers = {"Content-Disposition": f'attachment; filename="rollback-{pk}-conversations.{form}"'}
    return StreamingHttpResponse(
        leg_answers.export(found, cohort, form), content_type=leg_answers.FORMATS[form], headers=headers
    )


def acting(request: ActorRequest) -> Actor:
    """Who asks; these doors let nobody else in."""
    if request.actor is None:
        raise NotPermitted("Sign in first.")
    return request.actor
