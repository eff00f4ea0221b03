"""Reading an exported page back: what people wrote of it, into the postmortem of an incident."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import models, transaction

from accounts import chain, clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from incidents.models import Incident, Postmortem, PostmortemSection
from incidents.models.postmortem import Edited
from incidents.operations import timeline
from incidents.operations.postmortems import draft, fields, load_actions, written
from incidents.operations.postmortems.content import SCHEMA
from incidents.operations.postmortems.edit import EditConflict, lock, next_position, put, rows_of
from incidents.operations.postmortems.fields import KINDS, RowKind
from incidents.operations.refusals import known

Json = Mapping[str, Any]
#: A page holds at most so many rows of one kind when it is read back.
MOST_ROWS = 500


@transaction.atomic
def load(
    incident: Incident,
    content: Json,
    *,
    actor: Actor,
    expected: str | None = None,
    at: datetime | None = None,
) -> Postmortem:
    """Write the editable parts of ``content`` (schema ``lastgood.postmortem/1``) into the incident's postmortem.

    What is not named stays: parts, texts of sections, rows that have a key. Lists without keys (inferences, factors,
    actions) are replaced whole; actions beyond the list are dropped. How actions ended is taken over as it is told
    only by a person and into a page that nobody has written on. ``expected`` is the :func:`etag` of the page as it was
    read; needed once a person has written on it. Raises EditConflict with both.
    """
    if content.get("schema") != SCHEMA:
        raise OperationRefused(f"This is no page of the schema {SCHEMA}.", status=422)
    at = at or clock.now()
    page = draft.begin(incident, actor=actor, at=at)
    timeline.lock(incident)  # before the page, as publishing does: ending an action is told on the timeline
    page = lock(page, actor)
    standing, touched = written.written(page), _touched(page)
    if expected is None and touched:
        raise EditConflict(
            "the page, and you did not say which state of it you read (If-Match)",
            mine=dict(content),
            theirs=standing,
            row=page,
        )
    if expected is not None and expected != etag(page):
        raise EditConflict("the page", mine=dict(content), theirs=standing, row=page)
    _page(page, content, actor, at)
    _sections(page, _part(content, "sections", Mapping, {}), actor, at)
    for name, kind in KINDS.items():
        rows = _rows(content, name)
        if rows is None:
            continue
        if kind.key:
            _keyed(page, name, kind, rows, actor, at)
        else:
            _listed(page, name, kind, rows, actor, at)
    listed = _rows(content, "actions")
    if listed is not None:
        if touched or not actor.is_person:
            load_actions.change(page, listed, actor=actor, at=at)
        else:
            load_actions.take_over(page, listed, actor=actor, at=at)
    return page


def etag(page: Postmortem) -> str:
    """Which state of what people write this is: SHA-256 over its RFC 8785 JSON."""
    present = Postmortem.objects.get(pk=page.pk)
    damage = {"rate": present.damage_rate_per_second, "unit": present.damage_unit, "blast": present.blast_seconds}
    return hashlib.sha256(chain.canonical_json(written.written(present) | {"damage": damage})).hexdigest()


def _touched(page: Postmortem) -> bool:
    """Whether anybody has written on it since it was drafted: what the record filled in names nobody."""
    rows: Iterable[models.QuerySet[Any]] = (page.sections.all(), *(getattr(page, name).all() for name in KINDS))
    written_by = (each.exclude(updated_by=None).exists() for each in rows)
    return page.updated_by_id is not None or page.actions.exists() or any(written_by)


def _part(content: Json, name: str, kind: type[Any], default: Any) -> Any:
    value = content.get(name, default)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise OperationRefused(f"{name} has the wrong shape.", status=422)
    return value


def _rows(content: Json, name: str) -> list[Json] | None:
    rows = _part(content, name, list, None)
    if rows is not None and (len(rows) > MOST_ROWS or not all(isinstance(row, Mapping) for row in rows)):
        raise OperationRefused(f"{name} is a list of at most {MOST_ROWS} objects.", status=422)
    found: list[Json] | None = rows
    return found


def _page(page: Postmortem, content: Json, actor: Actor, at: datetime) -> None:
    owners, damage = _part(content, "ownership", Mapping, {}), _part(content, "damage", Mapping, {})
    named = {"rate_per_second": "damage_rate_per_second", "unit": "damage_unit", "blast_seconds": "blast_seconds"}
    values = {name: owners[name] for name in written.OWNERSHIP if name in owners}
    values |= {column: damage[name] for name, column in named.items() if name in damage}
    friction = _part(content, "friction", Mapping, {})
    values |= {name: friction[name] for name in written.FRICTION if name in friction}
    if "autonomy" in content:
        values["autonomy"] = content["autonomy"]
    put(page, fields.read(fields.PAGE, values), page, actor, at)


def _sections(page: Postmortem, sections: Json, actor: Actor, at: datetime) -> None:
    standing = {row.name: row for row in page.sections.all()}
    for name, section in sections.items():
        known(name, PostmortemSection.Name.values, "section")
        section = {"text": section} if isinstance(section, str) else section
        if not isinstance(section, Mapping):
            raise OperationRefused(f"sections.{name} has the wrong shape.", status=422)
        text = fields.text(section.get("text", ""), PostmortemSection.Name(name).label)
        row = standing.get(name)
        if row is None and not text:
            continue
        row = row or PostmortemSection(postmortem=page, name=name, version=0)
        by_token = not actor.is_person and (row.is_draft or row.text != text)  # only a person can have checked it
        unread = bool(text) and (bool(section.get("draft")) or by_token)
        put(row, {"text": text, "is_draft": unread}, page, actor, at)


def _values(kind: RowKind, row: Json) -> dict[str, Any]:
    return fields.read(kind.fields, {name: row[name] for name in kind.fields if name in row})


def _keyed(page: Postmortem, name: str, kind: RowKind, rows: list[Json], actor: Actor, at: datetime) -> None:
    standing = {getattr(row, kind.key): row for row in rows_of(page, name)}
    for row in rows:
        key = known(str(row.get(kind.key)), list(kind.keys), kind.word)
        values = _values(kind, row)
        put(standing.get(key) or _fresh(kind, page, **{kind.key: key}), values, page, actor, at)


def _listed(page: Postmortem, name: str, kind: RowKind, rows: list[Json], actor: Actor, at: datetime) -> None:
    standing: list[Edited] = list(rows_of(page, name))
    for index, row in enumerate(rows):
        values = _values(kind, row)
        if index < len(standing):
            put(standing[index], values, page, actor, at)
        else:
            put(_fresh(kind, page, position=next_position(page, name)), values, page, actor, at)
    for left in standing[len(rows) :]:
        put(left, {"removed_at": at}, page, actor, at)


def _fresh(kind: RowKind, page: Postmortem, **values: Any) -> Edited:
    """A row not saved yet."""
    return kind.model(version=0, **{"postmortem": page} | values)
