"""Reading an exported page back: what people wrote of it, into the postmortem of an incident."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import models, transaction

from accounts import chain, clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import User
from incidents.models import ActionItem, Incident, Postmortem, PostmortemSection
from incidents.models.postmortem import Edited
from incidents.operations.postmortems import actions, draft, fields, written
from incidents.operations.postmortems.content import SCHEMA
from incidents.operations.postmortems.edit import EditConflict, lock, next_position, put, rows_of
from incidents.operations.postmortems.fields import KINDS, RowKind
from incidents.operations.refusals import given, known

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
    actions) are replaced whole; actions beyond the list are dropped. ``expected`` is the :func:`etag` of the page as
    it was read; needed once a person has written on it. Raises EditConflict with both.
    """
    if content.get("schema") != SCHEMA:
        raise OperationRefused(f"This is no page of the schema {SCHEMA}.", status=422)
    at = at or clock.now()
    page = lock(draft.begin(incident, actor=actor, at=at), actor)
    standing = written.written(page)
    if expected is None and _touched(page):
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
        _actions(page, listed, actor, at)
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


def _actions(page: Postmortem, rows: list[Json], actor: Actor, at: datetime) -> None:
    standing = list(page.actions.all())
    for index, row in enumerate(rows):
        values = _action(row)
        action = standing[index] if index < len(standing) else None
        if action is None:
            action = ActionItem(postmortem=page, version=0, position=next_position(page, "actions"))
        put(action, values, page, actor, at)
    for left in standing[len(rows) :]:
        if left.done_at is None and left.dropped_at is None:
            put(left, {"dropped_at": at, "dropped_reason": "Not in the page that was loaded."}, page, actor, at)


def _action(row: Json) -> dict[str, Any]:
    named = {name: row[name] for name in actions.FIELDS if name in row and name != "owner"}
    named.setdefault("kind", "")
    values = fields.read(actions.FIELDS, named)
    given(values.get("text", ""), "Say in every action what will be done.")
    values["owner"] = _person(row.get("owner"))
    values |= {"done_at": _moment(row.get("done_at")), "done_by": _person(row.get("done_by"))}
    dropped, reason = _moment(row.get("dropped_at")), fields.text(row.get("dropped_reason") or "", "Reason")
    if dropped is not None and not reason.strip():
        raise OperationRefused("Say why an action was dropped.", status=422)
    if dropped is not None and values["done_at"] is not None:
        raise OperationRefused("An action is done or dropped, not both.", status=422)
    return values | {"dropped_at": dropped, "dropped_reason": reason}


def _person(said: Any) -> User | None:
    """By e-mail address, or as exports write people."""
    email = said.get("email") if isinstance(said, Mapping) else said
    if email is None or email == "":
        return None
    user = User.objects.filter(email__iexact=email).first() if isinstance(email, str) else None
    if user is None:
        raise OperationRefused(f"There is nobody called {email}.", status=422)
    return user


def _moment(said: Any) -> datetime | None:
    if said is None or said == "":
        return None
    try:
        at = datetime.fromisoformat(said)
    except (TypeError, ValueError):
        raise OperationRefused(f"{said} is no moment, like 2026-11-20T12:00:00Z.", status=422) from None
    if at.tzinfo is None:
        raise OperationRefused(f"{said} does not say its offset from UTC.", status=422)
    return at.astimezone(UTC)
