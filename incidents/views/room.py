"""The incident room: one screen, five steps, one order.

Every region of the room is a template with an address of its own. htmx names the region it wants (``HX-Target``)
and gets that alone, with only the questions asked that it shows; anybody else gets the whole page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from accounts import clock
from accounts.errors import OperationRefused
from accounts.http import Rights, show, told, wants_region
from accounts.middleware import ActorRequest, forbidden
from incidents.access import get_room
from incidents.models import Incident, Status, Step
from incidents.views import containment, evidence, frame_of_room, panels, record, resolution, stop_proof, stops
from incidents.views.postmortems import reading
from incidents.views.visit import Visit, panel_url

Read = Callable[[Visit], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Region:
    """One part of the room: its template and what it has to ask."""

    template: str
    reads: tuple[Read, ...] = ()


HEAD = Region("incidents/room_head.html", (frame_of_room.head, frame_of_room.rail))
TIMELINE = Region("incidents/timeline.html", (record.timeline,))
NEXT = Region("incidents/steps/next.html", (panels.order,))
EXITS = Region("incidents/steps/exits.html", (panels.exits,))
ALERTS = Region("incidents/steps/alerts.html", (panels.alerts,))
EVIDENCE = Region("incidents/steps/evidence.html", (evidence.evidence,))
ACT = Region("incidents/steps/act.html", (containment.plan, containment.outcome, stops.standing))
HARM = Region("incidents/steps/harm.html", (evidence.harm,))
LEGS = Region("incidents/steps/legs.html", (containment.outcome,))
RECORD = Region("incidents/postmortem/record.html", (reading.record,))
STOP = Region("incidents/steps/stop.html", (containment.plan, containment.outcome, containment.stops))
STOPPED = Region("incidents/steps/stopped.html", (stop_proof.proof,))

CAUSES = Region("incidents/steps/causes.html", (resolution.causes,))
CASES = Region("incidents/steps/cases.html", (resolution.cases,))
LEADING = Region("incidents/steps/leading.html", (resolution.leading,))
RESOLVING = Region("incidents/steps/resolving.html", (resolution.leading,))
FAILING = Region("incidents/steps/failing.html", (resolution.failing,))
RUNS = Region("incidents/steps/runs.html", (resolution.runs,))
PIPELINE = Region("incidents/steps/pipeline.html", (resolution.pipeline,))

REGIONS: dict[str, Region] = {
    "room-head": HEAD,
    "timeline": TIMELINE,
    "next": NEXT,
    "exits": EXITS,
    "alerts": ALERTS,
    "evidence": EVIDENCE,
    "act": ACT,
    "harm": HARM,
    "legs": LEGS,
    "stop": STOP,
    "stopped": STOPPED,
    "pm-record": RECORD,
    "causes": CAUSES,
    "cases": CASES,
    "failing": FAILING,
    "runs": RUNS,
    "pipeline": PIPELINE,
    "leading": LEADING,
    "resolving": RESOLVING,
}


def whole(template: str, *parts: Region, also: tuple[Read, ...] = ()) -> Region:
    """A panel: its own template and everything its parts ask, each question once."""
    reads = dict.fromkeys([*also, *(read for part in parts for read in part.reads)])
    return Region(template, tuple(reads))


PANELS: dict[str, Region] = {
    Step.DETECT: whole("incidents/steps/detect.html", NEXT, EXITS, ALERTS, also=(panels.detect,)),
    Step.TRIAGE: whole(
        "incidents/steps/triage.html",
        NEXT,
        EXITS,
        also=(panels.triage, containment.plan, containment.outcome, stops.standing),
    ),
    Step.CONTAIN: whole("incidents/steps/contain.html", EXITS, ACT, LEGS, STOP, also=(panels.held,)),
    Step.RESOLVE: whole("incidents/steps/resolve.html", EXITS, CAUSES, CASES, also=(resolution.resolve,)),
    Step.DOCUMENT: Region("incidents/postmortem/panel.html", (reading.panel,)),
}

#: What a panel fetches once it stands, since telemetry or many rows are asked for it.
LATER: dict[str, tuple[Region, ...]] = {
    Step.TRIAGE: (EVIDENCE,),
    Step.CONTAIN: (HARM, STOPPED),
    Step.RESOLVE: (FAILING, RUNS, PIPELINE),
}


def context_of(visit: Visit, *regions: Region, **more: Any) -> dict[str, Any]:
    """What the templates of ``regions`` need, each question asked once."""
    context: dict[str, Any] = {
        "incident": visit.incident,
        "title": title_of(visit.incident, wrong="form" in more and bool(more["form"].errors)),
        "panel": visit.panel,
        "panel_url": panel_url(visit.incident, visit.panel),
        "panel_word": Step(visit.panel).label,
        "panel_template": PANELS[visit.panel].template,
        "tab": visit.request.GET.get("tab", ""),
        "may": Rights(visit.actor, visit.incident.deployment),
    }
    for read in dict.fromkeys(read for region in regions for read in region.reads):
        context |= read(visit)
    return context | more


def title_of(incident: Incident, *, wrong: bool = False) -> str:
    """The room's title: the state first, ``wrong`` input before everything."""
    state = Step(incident.step).label
    if not incident.is_open:
        state = Status(incident.status).label
    elif incident.acknowledged_at is None:
        state = "Not acknowledged"
    title = incident.title if len(incident.title) <= 60 else f"{incident.title[:59]}…"
    return f"{'Error: ' if wrong else ''}{incident.severity} · {state} · {incident.ref} {title}"


def enter(request: ActorRequest, ref: str, step: str = "") -> Visit | HttpResponse:
    """The room of ``ref`` at ``step`` (its present one when not named); a redirect when the address is an old form."""
    incident = get_room(request.actor, ref)
    if incident.ref != ref:
        return HttpResponseRedirect(
            panel_url(incident, step) if step else reverse("incidents:room", args=[incident.ref])
        )
    present = incident.step if incident.step != Step.CLOSED else Step.DOCUMENT
    return Visit(request, incident, step or present, clock.now())


def target_of(request: ActorRequest) -> str:
    """The id of the region htmx will put the answer into: ``legs`` of ``section#legs``; empty for a page."""
    return request.headers.get("HX-Target", "").partition("#")[2] if wants_region(request) else ""


@require_safe
def room(request: ActorRequest, ref: str, step: str = "") -> HttpResponse:
    """The room: the whole page, one region of it, or a panel with the rail that goes with it."""
    visit = enter(request, ref, step)
    if isinstance(visit, HttpResponse):
        return visit
    target = target_of(request)
    if target in REGIONS:
        region = REGIONS[target]
        return show(request, region.template, context_of(visit, region), fragment=True)
    if target == "panel":
        return panel(visit)
    return page(visit)


def page(visit: Visit, status: int = 200, **more: Any) -> HttpResponse:
    """The whole room. What telemetry shows is asked for once the page stands, or by link (``?evidence=1``)."""
    regions = [HEAD, PANELS[visit.panel], *beside(visit)]
    if visit.request.GET.get("evidence"):
        regions += LATER.get(visit.panel, ())
        more |= {"evidence_here": True}
    context = context_of(visit, *regions, **more)
    return show(visit.request, "incidents/room.html", context, status=status)


def beside(visit: Visit) -> list[Region]:
    """The record stands beside every panel but the postmortem, which has it inside and needs the room."""
    return [] if visit.panel == Step.DOCUMENT else [TIMELINE]


def panel(visit: Visit, status: int = 200, **more: Any) -> HttpResponse:
    """The panel, with the head, the rail and the record as they are now, each in its place."""
    regions = {"room-head": HEAD} | ({"timeline": TIMELINE} if beside(visit) else {})
    context = context_of(visit, PANELS[visit.panel], *regions.values(), **more)
    parts: list[str] = [
        format_html("<title>{} · Lastgood</title>", context["title"]),
        render_to_string(PANELS[visit.panel].template, context, visit.request),
    ]
    for name, region in regions.items():
        inside = render_to_string(region.template, context, visit.request)
        parts.append(f'<hx-partial hx-target="#{name}" hx-swap="outerMorph">{inside}</hx-partial>')
    return HttpResponse("".join(parts), status=status, headers={"Vary": "HX-Request", "Cache-Control": "no-store"})


def after(visit: Visit, said: str = "", **more: Any) -> HttpResponse:
    """The answer to a press that worked: the region it was pressed for, as it is now; without script, the page."""
    visit = visit.again()
    url = panel_url(visit.incident, visit.panel)
    target = target_of(visit.request)
    if not target:
        return HttpResponseRedirect(url)
    if target in REGIONS:
        region = REGIONS[target]
        response = show(visit.request, region.template, context_of(visit, region, **more), fragment=True)
    else:
        response = panel(visit, **more)
        response["HX-Push-Url"] = url
    return told(response, announce=said)


def refused(visit: Visit, refusal: OperationRefused, **more: Any) -> HttpResponse:
    """The answer to a press that was refused: the same panel with the sentence, nothing changed."""
    if refusal.status == 403:
        return forbidden(visit.request, str(refusal))
    visit = visit.again()
    more |= {"refusal": str(refusal)}
    if not target_of(visit.request):
        return page(visit, status=refusal.status, **more)
    response = panel(visit, status=refusal.status, **more)
    response["HX-Retarget"], response["HX-Reswap"] = "#panel", "outerMorph"
    return told(response, announce=str(refusal))
