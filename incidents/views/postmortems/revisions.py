"""Revisions: what was published, word for word; what changed between two; and all of it on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from accounts import clock
from accounts.errors import NotFound
from accounts.http import show, whole_number
from accounts.middleware import ActorRequest
from incidents.access import get_room
from incidents.models import Incident, PostmortemRevision
from incidents.operations.postmortems.content import content_of
from incidents.operations.postmortems.publish import digest_of
from incidents.views.postmortems.article import WORDS, article
from incidents.views.postmortems.page import page_of
from incidents.views.postmortems.units import address
from incidents.views.visit import Visit
from rollouts.text_diff import Span, compare_texts


@dataclass(frozen=True, slots=True)
class Changed:
    """One field of the page that two revisions tell differently."""

    name: str
    spans: list[Span]


def enter(request: ActorRequest, ref: str) -> tuple[Incident, Any]:
    """The incident and its postmortem."""
    incident = get_room(request.actor, ref)
    visit = Visit(request, incident, "document", clock.now())
    return incident, page_of(visit)


def revision_of(incident: Incident, page: Any, number: int) -> PostmortemRevision:
    found = page.revisions.prefetch_related("sign_offs").filter(number=number).first() if number < 2**31 else None
    if found is None:
        raise NotFound(f"The postmortem of {incident.ref} has no revision {number}.")
    revision: PostmortemRevision = found
    return revision


@require_safe
def listed(request: ActorRequest, ref: str) -> HttpResponse:
    """Every revision with its signatures; ``?old=1&new=2`` shows what changed between two."""
    incident, page = enter(request, ref)
    if incident.ref != ref:
        return HttpResponseRedirect(address(incident, "postmortem_revisions"))
    found = list(page.revisions.defer("content").prefetch_related("sign_offs")[:200])
    context: dict[str, Any] = {"incident": incident, "revisions": found, "numbers": [each.number for each in found]}
    old, new = (whole_number(request.GET.get(name, "")) for name in ("old", "new"))
    if old is not None and new is not None:
        before, after = (revision_of(incident, page, number) for number in (old, new))
        context |= {"old": before, "new": after, "changes": changes(before.content, after.content)}
    return show(request, "incidents/postmortem/revisions.html", context)


@require_safe
def revision(request: ActorRequest, ref: str, number: int) -> HttpResponse:
    """One revision as it was published."""
    incident, page = enter(request, ref)
    if incident.ref != ref:
        return HttpResponseRedirect(address(incident, "postmortem_revision", number))
    found = revision_of(incident, page, number)
    context = article(found.content) | {
        "incident": incident,
        "revision": found,
        "signed": list(found.sign_offs.all()),
        "newest": page.revisions.values_list("number", flat=True).first(),
    }
    return show(request, "incidents/postmortem/revision.html", context)


@require_safe
def print_view(request: ActorRequest, ref: str, number: int | None = None) -> HttpResponse:
    """For paper: a revision, the newest unless named; the draft while nothing is published or by ``?draft=1``."""
    incident, page = enter(request, ref)
    found = revision_of(incident, page, number) if number is not None else page.revisions.first()
    if number is None and request.GET.get("draft"):
        found = None
    content = found.content if found is not None else content_of(page)
    context = article(content) | {
        "incident": incident,
        "revision": found,
        "signed": list(found.sign_offs.all()) if found is not None else [],
        "digest": found.digest if found is not None else digest_of(content),
        "now": clock.now(),
    }
    return show(request, "incidents/postmortem/print.html", context)


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[Changed]:
    """Every field that differs, in the order of the newer page; words inside it are compared."""
    before, after = dict(leaves(old)), dict(leaves(new))
    names = [*after, *(name for name in before if name not in after)]
    return [
        Changed(name, compare_texts(before.get(name, ""), after.get(name, "")))
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(where, what it says) of everything in a page, rows counted from 1."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, (*path, name.replace("_", " ")))
    elif isinstance(value, list):
        for place, each in enumerate(value, 1):
            yield from leaves(each, (*path, name_of(each, place)))
    elif value not in (None, ""):
        text = str(value)
        yield " · ".join(path).capitalize(), WORDS.get(text, text)


def name_of(row: Any, place: int) -> str:
    """A row by its label where it has one that does not change, else by its place."""
    fixed = isinstance(row, dict) and {"variable", "layer", "question"} & row.keys()
    return str(row["label"]).lower() if fixed and "label" in row else str(place)
