"""What the editor saves, piece by piece: texts, rows, ownership, actions.

Every press works as a plain form. The page's script sends the same forms and gets one piece back instead of the
page: a saved one as its new version, a refused one as ``X-Sentence``, a conflict as the piece with both texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_POST

from accounts import clock, markdown
from accounts.errors import NotFound, OperationRefused
from accounts.http import wants_region, whole_number
from accounts.middleware import ActorRequest, forbidden
from incidents.models import ActionItem, Postmortem, Step
from incidents.models.postmortem import Edited, PostmortemSection
from incidents.operations.postmortems import actions, edit
from incidents.operations.postmortems.edit import EditConflict
from incidents.views.acts import visit_of
from incidents.views.postmortems import page, reading, units
from incidents.views.postmortems.units import KINDS, Conflict, Unit
from incidents.views.visit import Visit

UNREADABLE = "This field cannot be saved yet."


def editing(request: ActorRequest, ref: str) -> tuple[Visit, Postmortem]:
    """The room and its postmortem, which somebody has begun."""
    visit = visit_of(request, ref, Step.DOCUMENT)
    found = Postmortem.objects.filter(incident=visit.incident).first()
    if found is None:
        raise NotFound(f"Nobody has started the postmortem of {visit.incident.ref} yet.")
    return visit, found


def alone(visit: Visit, unit: Unit, status: int = 200) -> HttpResponse:
    """One piece of the page."""
    name_people(visit, unit)
    html = render_to_string(unit.template, {"unit": unit, "incident": visit.incident}, visit.request)
    return HttpResponse(html, status=status, headers={"Vary": "HX-Request", "Cache-Control": "no-store"})


def name_people(visit: Visit, unit: Unit) -> None:
    if unit.item is not None and unit.item.updated_by_id:
        unit.item.updated_by = reading.lists(visit).everybody.get(unit.item.updated_by_id)


def saved(visit: Visit, row: Edited, anchor: str) -> HttpResponse:
    """It is saved: the new version for the script, the page at that place for everybody else."""
    if wants_region(visit.request):
        return JsonResponse({"version": row.version})
    return HttpResponseRedirect(f"{units.address(visit.incident, 'postmortem')}#{anchor}")


def refused(visit: Visit, refusal: OperationRefused, unit: Unit | None = None) -> HttpResponse:
    """It is not saved, and why; the page keeps what was typed in ``unit``."""
    if refusal.status == 403:
        return forbidden(visit.request, str(refusal))
    if not wants_region(visit.request):
        return page.whole(visit, unit=unit, refusal=str(refusal), status=refusal.status)
    return HttpResponse(status=refusal.status, headers={"X-Sentence": quote(str(refusal))})


def clashed(visit: Visit, refusal: EditConflict, unit: Unit, labels: Mapping[str, str], base: int) -> HttpResponse:
    """Somebody saved first: the piece with both texts. ``unit`` holds what was sent."""
    told = refusal.details
    mine, theirs = told["mine"], told["theirs"]
    if isinstance(mine, str):
        mine, theirs = {"text": mine}, {"text": theirs}
    at = datetime.fromisoformat(told["at"]) if told["at"] else clock.now()
    unit.conflict = Conflict(told["by"] or "", at, units.clash(mine, theirs, labels))
    unit.paused, unit.base, unit.version = True, base, told["version"]
    if not wants_region(visit.request):
        return page.whole(visit, unit=unit, refusal=str(refusal), status=409)
    response = alone(visit, unit, 409)
    response["X-Conflict"] = str(unit.version)
    return response


def version_of(request: ActorRequest) -> int:
    """The version the sender had read; a form without one has read nothing."""
    return whole_number(request.POST.get("version", "")) or 0


@require_http_methods(["GET", "HEAD", "POST"])
def section(request: ActorRequest, ref: str, name: str) -> HttpResponse:
    """One text: shown alone, saved, checked, or merged with what somebody else wrote."""
    if name not in PostmortemSection.Name.values:
        raise Http404
    visit, found = editing(request, ref)
    if request.method != "POST":
        return alone(visit, units.section(visit.incident, name, standing(found, name)))
    text, base, anchor = request.POST.get("text", ""), version_of(request), units.section_id(name)
    choice = request.POST.get("choice", "")
    if choice == "merge":
        return merged(visit, found, name, text, base)
    try:
        row = edit.save_section(found, actor=visit.actor, name=name, text=text, version=base)
        if choice == "check":
            row = edit.check_section(found, actor=visit.actor, name=name, version=row.version)
    except EditConflict as refusal:
        unit = units.section(visit.incident, name, standing(found, name), text)
        return clashed(visit, refusal, unit, {"text": unit.title}, base)
    except OperationRefused as refusal:
        return refused(visit, refusal, units.section(visit.incident, name, standing(found, name), text))
    return saved(visit, row, anchor)


def standing(found: Postmortem, name: str) -> PostmortemSection | None:
    return PostmortemSection.objects.filter(postmortem=found, name=name).first()


def merged(visit: Visit, found: Postmortem, name: str, mine: str, base: int) -> HttpResponse:
    """Both texts in the box, to be edited and saved over the present version. Nothing is saved yet."""
    row = standing(found, name)
    theirs = row.text if row is not None else ""
    unit = units.section(visit.incident, name, row, units.union(theirs, mine.replace("\r\n", "\n")))
    unit.paused, unit.base = True, base
    if wants_region(visit.request):
        return alone(visit, unit, 409)
    return page.whole(visit, unit=unit, refusal="Both texts stand in the box. Edit them, then save.", status=409)


def kind_of(name: str) -> units.Kind:
    if name not in KINDS or name == "actions":
        raise Http404
    return KINDS[name]


def row_of(found: Postmortem, kind: units.Kind, key: str) -> Any:
    """The row that the operations call ``key``; NotFound when it is not on the page."""
    named = {kind.key: key} if kind.key else {"pk": whole_number(key) or 0}
    row = edit.rows_of(found, kind.name).filter(**named).first()
    if row is None:
        raise NotFound(f"The postmortem has no {kind.word.lower()} {key}.")
    return row


def form_saved(
    visit: Visit, build: Callable[[Any], Unit], save: Callable[[dict[str, Any], int], Edited]
) -> HttpResponse:
    """Save what a row's form says. ``build`` makes the piece around a form, ``save`` is the operation."""
    base, unit = version_of(visit.request), build(visit.request.POST)
    if not unit.form.is_valid():
        sentence = next((str(error) for errors in unit.form.errors.values() for error in errors), UNREADABLE)
        unit.paused = False
        unit.version = base
        return refused(visit, OperationRefused(sentence, status=422), unit)
    try:
        row = save(unit.form.cleaned_data, base)
    except EditConflict as refusal:
        return clashed(visit, refusal, readable(unit, refusal), labels_of(unit), base)
    except OperationRefused as refusal:
        unit.version = base
        return refused(visit, refusal, unit)
    return saved(visit, row, unit.id)


def labels_of(unit: Unit) -> dict[str, str]:
    return {name: str(column.label) for name, column in unit.form.fields.items()}


def readable(unit: Unit, refusal: EditConflict) -> Unit:
    """Have the two sides of a conflict say what the selects say: "Not moved", not ``not_moved``."""
    for side in ("mine", "theirs"):
        values = refusal.details[side]
        for name, column in unit.form.fields.items():
            words = dict(getattr(column, "choices", ()))
            if values.get(name) in words:
                values[name] = words[values[name]]
    return unit


@require_http_methods(["GET", "HEAD", "POST"])
def row(request: ActorRequest, ref: str, kind: str, key: str) -> HttpResponse:
    """One row: shown alone, or saved."""
    if kind == "actions":
        return action(request, ref, key)
    visit, found = editing(request, ref)
    its = kind_of(kind)
    item = row_of(found, its, key)
    place = position(found, its, item)

    def build(data: Any) -> Unit:
        return units.row(visit.incident, its, item, reading.lists(visit), place, data)

    if request.method != "POST":
        return alone(visit, build(None))
    return form_saved(
        visit,
        build,
        lambda values, base: edit.save_row(found, kind, key, actor=visit.actor, version=base, values=values),
    )


def position(found: Postmortem, kind: units.Kind, item: Any) -> int:
    """Which of its kind it is on the page, from 1."""
    if kind.key:
        return 1
    rows = found.actions.all() if kind.name == "actions" else edit.rows_of(found, kind.name)
    place: int = rows.filter(position__lt=item.position).count() + 1
    return place


@require_POST
def add(request: ActorRequest, ref: str, kind: str) -> HttpResponse:
    """One row more, at the end."""
    visit, found = editing(request, ref)
    names = {"factors": ("text",), "escapes": ("question",), "actions": ("text", "kind")}.get(kind, ())
    values: dict[str, Any] = {name: request.POST.get(name, "") for name in names}
    try:
        if kind == "actions":
            item: Edited = actions.add(found, actor=visit.actor, **values)
        else:
            item = edit.add_row(found, kind_of(kind).name, actor=visit.actor, values=values)
    except OperationRefused as refusal:
        return refused(visit, refusal)
    its = KINDS[kind]
    unit = units.row(visit.incident, its, item, reading.lists(visit), position(found, its, item))
    if wants_region(request):
        return alone(visit, unit)
    return saved(visit, item, unit.id)


@require_POST
def remove(request: ActorRequest, ref: str, kind: str, key: str) -> HttpResponse:
    """Take a row off the page."""
    visit, found = editing(request, ref)
    try:
        edit.remove_row(found, kind_of(kind).name, key, actor=visit.actor, version=version_of(request))
    except OperationRefused as refusal:
        return refused(visit, refusal)
    if wants_region(request):
        return HttpResponse()
    return HttpResponseRedirect(f"{units.address(visit.incident, 'postmortem')}#{kind}")


@require_http_methods(["GET", "HEAD", "POST"])
def ownership(request: ActorRequest, ref: str) -> HttpResponse:
    """Who made, reviewed and owns what changed; what the harm cost. ``nobody`` names the field it is said of."""
    visit, found = editing(request, ref)
    if request.method != "POST":
        return alone(visit, units.ownership(visit.incident, found, reading.lists(visit)))
    sent = request.POST.copy()
    said = request.POST.get("nobody", "")
    if said in {"made_by", "reviewed_by", "next_owner"}:
        sent[said] = Postmortem.NOBODY
    return form_saved(
        visit,
        lambda _: units.ownership(visit.incident, found, reading.lists(visit), sent),
        lambda values, base: edit.save_page(found, actor=visit.actor, version=base, values=values),
    )


def action_of(found: Postmortem, key: str) -> ActionItem:
    item = found.actions.select_related("owner").filter(pk=whole_number(key) or 0).first()
    if item is None:
        raise NotFound(f"The postmortem has no action {key}.")
    item.postmortem = found
    return item


def action(request: ActorRequest, ref: str, key: str) -> HttpResponse:
    """One action: shown alone, or saved."""
    visit, found = editing(request, ref)
    item, its = action_of(found, key), KINDS["actions"]
    place = position(found, its, item)

    def build(data: Any) -> Unit:
        return units.row(visit.incident, its, item, reading.lists(visit), place, data)

    if request.method != "POST":
        return alone(visit, build(None))
    return form_saved(
        visit, build, lambda values, base: actions.save(item, actor=visit.actor, version=base, values=values)
    )


@require_POST
def finish(request: ActorRequest, ref: str, key: str) -> HttpResponse:
    """The action is done."""
    return ended(request, ref, key, lambda visit, item: actions.finish(item, actor=visit.actor))


@require_POST
def drop(request: ActorRequest, ref: str, key: str) -> HttpResponse:
    """The action will not be done, for a reason."""
    reason = request.POST.get("reason", "")
    return ended(request, ref, key, lambda visit, item: actions.drop(item, actor=visit.actor, reason=reason))


def ended(request: ActorRequest, ref: str, key: str, act: Callable[[Visit, ActionItem], ActionItem]) -> HttpResponse:
    visit, found = editing(request, ref)
    try:
        item = act(visit, action_of(found, key))
    except OperationRefused as refusal:
        return refused(visit, refusal)
    its = KINDS["actions"]
    unit = units.row(visit.incident, its, item, reading.lists(visit), position(found, its, item))
    return alone(visit, unit) if wants_region(request) else saved(visit, item, unit.id)


@require_POST
def preview(request: ActorRequest, ref: str) -> HttpResponse:
    """Markdown as it will look; nothing is kept."""
    return HttpResponse(markdown.render(request.POST.get("text", "")[:20_000]))
