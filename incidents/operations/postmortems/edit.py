"""Writing the page, several people at once: whoever writes says which version they read, and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction
from psycopg.errors import CheckViolation, UniqueViolation

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotFound, OperationRefused
from accounts.http import whole_number
from accounts.permissions import Permission, require
from incidents import lint
from incidents.models import Confidence, Factor, Incident, Layer, Postmortem, PostmortemSection
from incidents.models.postmortem import Edited
from incidents.operations import timeline
from incidents.operations.postmortems import fields
from incidents.operations.postmortems.fields import RowKind
from incidents.operations.refusals import known

#: Regions of open pages that show the postmortem.
PINGS = ("document", "postmortem")
#: What the database says of counts that cannot be, and what people read.
COUNTED = {"inference_fails_at_most_as_often_as_tried", "fix_fails_at_most_as_often_as_tried"}
TOO_OFTEN = "Something cannot have failed more often than it was tried. Give both numbers."


class EditConflict(OperationRefused):
    """Somebody else wrote here since: nothing was changed, and ``details`` hold both.

    ``mine`` is what was sent, ``theirs`` what stands, ``version`` the one to name when saving over it, ``by`` and
    ``at`` who wrote it and when.
    """

    def __init__(self, what: str, *, mine: Any, theirs: Any, row: Edited | None) -> None:
        by = str(row.updated_by) if row is not None and row.updated_by else None
        at = row.updated_at if row is not None else None
        when = f" at {at:%H:%M:%S} UTC" if at else ""
        super().__init__(
            f"{by or 'Somebody else'} changed {what}{when}. Nothing is lost: keep yours, take theirs, or merge.",
            details={
                "mine": mine,
                "theirs": theirs,
                "version": row.version if row is not None else 0,
                "by": by,
                "at": at.isoformat().replace("+00:00", "Z") if at else None,
            },
        )


@transaction.atomic
def save_section(
    postmortem: Postmortem, *, actor: Actor, name: str, text: str, version: int, at: datetime | None = None
) -> PostmortemSection:
    """Save one text; ``version`` is the one that was read, 0 for a section nobody has begun.

    What a person saves is no draft any longer; a token may only draft. Raises EditConflict.
    """
    known(name, PostmortemSection.Name.values, "section")
    text = fields.text(text, PostmortemSection.Name(name).label)
    page = lock(postmortem, actor)
    section = page.sections.select_related("updated_by").filter(name=name).first()
    if section is not None and section.text == text:
        return section
    if version != (section.version if section is not None else 0):
        theirs = section.text if section is not None else ""
        raise EditConflict(PostmortemSection.Name(name).label, mine=text, theirs=theirs, row=section)
    if section is None:
        section = PostmortemSection(postmortem=page, name=name, version=0)
    section.text, section.is_draft = text, not actor.is_person
    return write(section, page, actor, at)


@transaction.atomic
def check_section(
    postmortem: Postmortem, *, actor: Actor, name: str, version: int, at: datetime | None = None
) -> PostmortemSection:
    """A person has read what was filled in from the record, and it stands. Raises EditConflict."""
    if actor.person is None:
        raise OperationRefused("Only a person can check a draft.", status=403)
    page = lock(postmortem, actor)
    section = page.sections.select_related("updated_by").filter(name=name).first()
    if section is None:
        raise NotFound(f"The postmortem of {page.incident.ref} has no section {name} yet.")
    if not section.is_draft:
        return section
    if version != section.version:
        raise EditConflict(section.get_name_display(), mine=section.text, theirs=section.text, row=section)
    section.is_draft = False
    return write(section, page, actor, at)


@transaction.atomic
def save_page(
    postmortem: Postmortem, *, actor: Actor, version: int, values: Mapping[str, Any], at: datetime | None = None
) -> Postmortem:
    """Save what the page itself holds: ownership, damage rate, autonomy (``fields.PAGE``). Raises EditConflict.

    Nobody is an answer, and becomes a factor (R161).
    """
    given = fields.read(fields.PAGE, values)
    page = lock(postmortem, actor)
    newly = [name for name in lint.OWNERS if _is_nobody(given.get(name)) and not _is_nobody(getattr(page, name))]
    saved = _save(page, given, version, "the page's own fields", page, actor, at)
    for name in newly:
        _becomes_a_cause(saved, f"Nobody {lint.OWNERS[name]}.", actor, at)
    return saved


@transaction.atomic
def save_row(
    postmortem: Postmortem,
    kind: str,
    pk_or_key: int | str,
    *,
    actor: Actor,
    version: int,
    values: Mapping[str, Any],
    at: datetime | None = None,
) -> Edited:
    """Save one row of ``kind`` (``fields.KINDS``): by its key, such as the variable ``prompt``, else by its id.

    Raises EditConflict; NotFound for a row that is not there, or was removed.
    """
    found = fields.kind_of(kind)
    given = fields.read(found.fields, values)
    page = lock(postmortem, actor)
    row = _row(page, kind, found, pk_or_key)
    return _save(row, given, version, f"this {found.word}", page, actor, at)


@transaction.atomic
def add_row(
    postmortem: Postmortem, kind: str, *, actor: Actor, values: Mapping[str, Any], at: datetime | None = None
) -> Edited:
    """Add an inference or a factor at the end, or ask one more question (``values["question"]``)."""
    found = fields.kind_of(kind)
    if not found.added:
        raise OperationRefused(f"Every {found.word} has its row already. Save that one.")
    values = dict(values)
    key = values.pop(found.key, "") if found.key else ""
    given = fields.read(found.fields, values)
    page = lock(postmortem, actor)
    rows = rows_of(page, kind)
    if found.key:
        known(key, list(found.keys), found.word)
        if rows.filter(**{found.key: key}).exists():
            raise OperationRefused(f"The {found.word} {key} is there already. Save that one.")
        given[found.key] = key
    else:
        given["position"] = next_position(page, kind)
    row = found.model(version=0, **given | {"postmortem": page})
    return write(row, page, actor, at)


@transaction.atomic
def remove_row(
    postmortem: Postmortem, kind: str, pk: int | str, *, actor: Actor, version: int, at: datetime | None = None
) -> Edited:
    """Take an inference or a factor off the page; the row stays. Raises EditConflict."""
    found = fields.kind_of(kind)
    if not found.added or found.key:
        raise OperationRefused(f"A {found.word} cannot be removed. Say that it is unknown, or leave it open.")
    page = lock(postmortem, actor)
    row = _row(page, kind, found, pk)
    return _save(row, {"removed_at": at or clock.now()}, version, f"this {found.word}", page, actor, at)


def _is_nobody(said: str | None) -> bool:
    return (said or "").lower() == Postmortem.NOBODY


def _becomes_a_cause(page: Postmortem, text: str, actor: Actor, at: datetime | None) -> None:
    """A factor of change governance, unless it stands on the page already."""
    if page.factors.filter(removed_at=None, text=text).exists():
        return
    factor = Factor(postmortem=page, version=0, position=next_position(page, "factors"), text=text)
    factor.layer, factor.confidence, factor.evidence = Layer.GOVERNANCE, Confidence.KNOWN, "Ownership, as told here."
    write(factor, page, actor, at)


def lock(postmortem: Postmortem, actor: Actor) -> Postmortem:
    """The present row, locked until the transaction ends; refused to whom may not write, and once it is closed."""
    require(actor, Permission.RESPOND)
    page = Postmortem.objects.select_for_update(no_key=True, of=("self",)).get(pk=postmortem.pk)
    page.incident = Incident.objects.get(pk=page.incident_id)  # read after the wait: closing holds the page too
    if page.incident.documented_at is not None:
        raise OperationRefused(f"The postmortem of {page.incident.ref} is signed off. Reopen it to change it.")
    if page.incident.document_skipped_at is not None:
        raise OperationRefused(f"{page.incident.ref} was closed without a postmortem. Reopen it to write one.")
    return page


def rows_of(page: Postmortem, kind: str) -> models.QuerySet[Any]:
    """The rows of ``kind`` that stand on the page."""
    rows: models.QuerySet[Any] = getattr(page, kind).select_related("updated_by")
    return rows if fields.KINDS[kind].key else rows.filter(removed_at=None)


def next_position(page: Postmortem, kind: str) -> int:
    last: int | None = getattr(page, kind).aggregate(last=models.Max("position"))["last"]
    return (last or 0) + 1


def _row(page: Postmortem, name: str, kind: RowKind, pk_or_key: int | str) -> Edited:
    rows = rows_of(page, name)
    if kind.key:
        row = rows.filter(**{kind.key: pk_or_key}).first()
    else:
        pk = whole_number(str(pk_or_key))
        row = rows.filter(pk=pk).first() if pk is not None else None
    if row is None:
        raise NotFound(f"The postmortem of {page.incident.ref} has no {kind.word} {pk_or_key}.")
    found: Edited = row
    return found


def _save[Row: Edited](
    row: Row, given: dict[str, Any], version: int, what: str, page: Postmortem, actor: Actor, at: datetime | None
) -> Row:
    standing = {name: getattr(row, name) for name in given}
    if standing == given:
        return row
    if version != row.version:
        mine, theirs = ({name: fields.plain(value) for name, value in side.items()} for side in (given, standing))
        raise EditConflict(what, mine=mine, theirs=theirs, row=row)
    return put(row, given, page, actor, at)


def put[Row: Edited](row: Row, given: Mapping[str, Any], page: Postmortem, actor: Actor, at: datetime | None) -> Row:
    """Write ``given`` into a row of a locked page; nothing when that is what stands."""
    if row.pk is not None and all(getattr(row, name) == value for name, value in given.items()):
        return row
    for name, value in given.items():
        setattr(row, name, value)
    return write(row, page, actor, at)


def write[Row: Edited](row: Row, page: Postmortem, actor: Actor, at: datetime | None) -> Row:
    """Save a row of a locked page as its next version, and have open pages ask again."""
    row.version += 1
    row.updated_at, row.updated_by = at or clock.now(), actor.user
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise OperationRefused("Somebody else has just written this row too. Read the page again.") from error
        if isinstance(error.__cause__, CheckViolation) and error.__cause__.diag.constraint_name in COUNTED:
            raise OperationRefused(TOO_OFTEN, status=422) from error
        raise
    timeline.notify(page.incident.ref, *PINGS)
    return row
