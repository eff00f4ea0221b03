"""Actions of a page that is read back. What ends one goes by the operations that end actions, under the name of who
reads the page back; only a person who fills a page that nobody has written on takes over how they ended elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import User
from incidents.answers import moment
from incidents.models import ActionItem, Postmortem, TimelineEntry
from incidents.operations import timeline
from incidents.operations.postmortems import actions, fields
from incidents.operations.postmortems.edit import PINGS, next_position, put
from incidents.operations.refusals import given

Json = Mapping[str, Any]
LEFT_OUT = "Not in the page that was loaded."


def take_over(page: Postmortem, rows: Iterable[Json], *, actor: Actor, at: datetime) -> None:
    """Every action as it is told, also who ended it and when; that they were taken over stands on the timeline."""
    ended = 0
    for row in rows:
        put(_fresh(page), _values(row) | _end(row), page, actor, at)
        ended += bool(row.get("done_at") or row.get("dropped_at"))
    if ended:
        text = f"Taken over with a page that was loaded: {ended} {'action' if ended == 1 else 'actions'} that had ended"
        kind = TimelineEntry.Kind.NOTE
        timeline.append(timeline.lock(page.incident), kind, text, actor=actor, at=at, is_key=False, ping=PINGS)


def change(page: Postmortem, rows: list[Json], *, actor: Actor, at: datetime) -> None:
    """Make the actions what ``rows`` say, by their places; those beyond the list are dropped. What ended stays."""
    standing = list(page.actions.select_related("owner", "done_by"))
    for index, row in enumerate(rows):
        values, end = _values(row), _end(row)
        action = standing[index] if index < len(standing) else _fresh(page)
        changed = {name for name, value in values.items() if getattr(action, name) != value}
        has_ended = action.done_at is not None or action.dropped_at is not None
        if has_ended and _unlike(action, row, end):
            raise OperationRefused(f"Action {action.position} has ended. How it ended stays as it is.")
        if changed:
            actions.still_to_do(action, changed)
        if "owner" in changed:
            actions.active(values["owner"])
        action = put(action, values, page, actor, at)
        action.postmortem = page
        if end["done_at"] is not None and action.done_at is None:
            actions.finish(action, actor=actor, at=at)
        elif end["dropped_at"] is not None and action.dropped_at is None:
            actions.drop(action, actor=actor, reason=end["dropped_reason"], at=at)
    for left in standing[len(rows) :]:
        if left.done_at is None and left.dropped_at is None:
            actions.drop(left, actor=actor, reason=LEFT_OUT, at=at)


def _unlike(action: ActionItem, row: Json, end: Mapping[str, Any]) -> bool:
    """Whether ``row`` tells another end of an action that has ended; what it does not name, it leaves."""
    told = {name: moment(value) if isinstance(value, datetime) else value for name, value in end.items()}
    stands = {name: getattr(action, name) for name in end}
    stands = {name: moment(value) if isinstance(value, datetime) else value for name, value in stands.items()}
    return any(name in row and told[name] != stands[name] for name in end)


def _fresh(page: Postmortem) -> ActionItem:
    """An action not saved yet, at the end."""
    return ActionItem(postmortem=page, version=0, position=next_position(page, "actions"))


def _values(row: Json) -> dict[str, Any]:
    """What people write of an action."""
    named = {name: row[name] for name in actions.FIELDS if name in row and name != "owner"}
    named.setdefault("kind", "")
    values = fields.read(actions.FIELDS, named)
    given(values.get("text", ""), "Say in every action what will be done.")
    return values | ({"owner": _person(row["owner"])} if "owner" in row else {})


def _end(row: Json) -> dict[str, Any]:
    """How an action ended, as it is told; refused when it makes no sense."""
    done = {"done_at": _moment(row.get("done_at")), "done_by": _person(row.get("done_by"))}
    dropped, reason = _moment(row.get("dropped_at")), fields.text(row.get("dropped_reason") or "", "Reason")
    if dropped is not None and not reason.strip():
        raise OperationRefused("Say why an action was dropped.", status=422)
    if dropped is not None and done["done_at"] is not None:
        raise OperationRefused("An action is done or dropped, not both.", status=422)
    return done | {"dropped_at": dropped, "dropped_reason": reason}


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
