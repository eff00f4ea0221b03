"""The first draft, filled in from the record so that people check instead of copying. Marked "draft, check"."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.permissions import Permission, require
from incidents.models import (
    Factor,
    Incident,
    InferenceRow,
    Layer,
    LayerFinding,
    MovedVariable,
    Postmortem,
    PostmortemSection,
    TimelineEntry,
)
from incidents.models.cause import surest_first
from incidents.operations import timeline
from incidents.operations.postmortems import questions, record, sentences
from incidents.operations.postmortems.edit import PINGS
from incidents.operations.postmortems.observed import observation
from incidents.operations.postmortems.record import Moves
from incidents.operations.postmortems.variables import drafted


@transaction.atomic
def begin(incident: Incident, *, actor: Actor, at: datetime | None = None) -> Postmortem:
    """The incident's postmortem; when there is none yet it is drafted from the record.

    Asked again it only answers: what was drafted once belongs to those who write. Tokens may begin one.
    """
    require(actor, Permission.RESPOND)
    standing = Postmortem.objects.filter(incident=incident).first()
    if standing is not None:
        return standing
    at = at or clock.now()
    incident = timeline.lock(incident)
    standing = Postmortem.objects.filter(incident=incident).first()
    if standing is not None:  # somebody else began it while this one waited
        return standing
    if incident.document_skipped_at is not None:
        raise OperationRefused(f"{incident.ref} was closed without a postmortem. Reopen it to write one.")
    page = _drafted(incident, at)
    timeline.append(
        incident,
        TimelineEntry.Kind.NOTE,
        "Postmortem drafted from the record",
        actor=actor,
        at=at,
        is_key=False,
        source="postmortem",
        ping=PINGS,
    )
    return page


def _drafted(incident: Incident, at: datetime) -> Postmortem:
    moves = record.moves_of(incident)
    runs = record.runs_of(incident, moves.bad, at)
    moved = record.moved_between(moves.good, moves.bad)
    page = Postmortem.objects.create(incident=incident, updated_at=at, created_at=at, **_ownership(moves))
    texts = {
        PostmortemSection.Name.SUMMARY: sentences.summary(incident, moves, runs, moved),
        PostmortemSection.Name.IMPACT: sentences.impact(incident, moves, runs),
        PostmortemSection.Name.RESOLUTION: sentences.resolution(incident, moves),
        PostmortemSection.Name.SIDE_EFFECTS: sentences.side_effects(incident, runs),
    }
    PostmortemSection.objects.bulk_create(
        PostmortemSection(postmortem=page, name=name, text=text, is_draft=True, updated_at=at)
        for name, text in texts.items()
        if text
    )
    MovedVariable.objects.bulk_create(
        MovedVariable(postmortem=page, updated_at=at, **row) for row in drafted(incident, moves, moved)
    )
    LayerFinding.objects.bulk_create(LayerFinding(postmortem=page, layer=layer, updated_at=at) for layer in Layer)
    if moves.rollbacks:
        questions.ask(incident, at=at)
    _factors(page, incident, at)
    seen = observation(incident, moves, runs)
    if seen is not None:
        InferenceRow.objects.create(postmortem=page, position=1, updated_at=at, **seen)
    return page


def _ownership(moves: Moves) -> dict[str, Any]:
    """Author and reviewer as the bad version names them; a blank stays blank, so that somebody is asked."""
    if moves.bad is None:
        return {}
    said = moves.bad.metadata
    commit = str(said.get("commit") or "").strip()
    return {
        "made_by": str(said.get("author") or "").strip()[:200],
        "reviewed_by": str(said.get("reviewer") or "").strip()[:200],
        "path": f"commit {commit}"[:200] if commit else "",
    }


def _factors(page: Postmortem, incident: Incident, at: datetime) -> None:
    """A factor for each cause that was named, as sure as it was named."""
    for position, cause in enumerate(surest_first(incident.causes.live().prefetch_related("cases")), 1):
        cases = ", ".join(f"case `{case.key}`" for case in cause.cases.all())
        note = f": {cause.note}" if cause.note else "."
        Factor.objects.create(
            postmortem=page,
            position=position,
            text=f"{cause.get_origin_display()}{note}",
            layer=sentences.LAYERS.get(cause.origin, ""),
            diagnosis=incident.diagnosis,
            confidence=cause.confidence,
            evidence=cases,
            updated_at=at,
        )
