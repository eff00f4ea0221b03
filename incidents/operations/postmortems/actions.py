"""What will be done so that it does not happen again: each action with its owner, its day, and how we will know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models, transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import User
from accounts.permissions import Permission, require
from incidents.models import ActionItem, Postmortem, TimelineEntry
from incidents.operations import timeline
from incidents.operations.postmortems import fields
from incidents.operations.postmortems.edit import PINGS, EditConflict, lock
from incidents.operations.refusals import given, short

_URL = URLValidator(schemes=["http", "https"])


def _owner(value: Any, name: str) -> User | None:
    """A person who can still sign in, or nobody yet; by the operation's caller, or by e-mail address."""
    if isinstance(value, str) and value.strip():
        value = User.objects.filter(email__iexact=value.strip()).first() or value
    if value is None or value == "":
        return None
    if not isinstance(value, User):
        raise OperationRefused(f"There is nobody called {value}.", status=422)
    return value


def _url(value: Any, name: str) -> str:
    address = fields.text(value, name, 500).strip()
    if address:
        try:
            _URL(address)
        except ValidationError:
            raise OperationRefused(f"{name} is a web address, like https://tracker.example/7.", status=422) from None
    return address


FIELDS: Mapping[str, fields.Read] = {
    "text": fields.text,
    "kind": fields.one_of(*ActionItem.Kind.values),
    "owner": _owner,
    "due_on": fields.day,
    "verification": fields.text,
    "tracker_url": _url,
}


@transaction.atomic
def add(
    postmortem: Postmortem,
    *,
    actor: Actor,
    text: str,
    kind: str,
    at: datetime | None = None,
    **values: Any,
) -> ActionItem:
    """Add an action; owner and due day may follow, but the incident does not close without them (R159)."""
    read = fields.read(FIELDS, {"text": given(text, "Say what will be done."), "kind": kind, **values})
    active(read.get("owner"))
    page = lock(postmortem, actor)
    last: int | None = page.actions.aggregate(last=models.Max("position"))["last"]
    action = ActionItem(postmortem=page, position=(last or 0) + 1, version=0, **read)
    return _written(action, actor, at)


@transaction.atomic
def save(
    action: ActionItem, *, actor: Actor, version: int, values: Mapping[str, Any], at: datetime | None = None
) -> ActionItem:
    """Change an action that is still to be done. Raises EditConflict."""
    read = fields.read(FIELDS, values)
    if "text" in read:
        given(read["text"], "Say what will be done.")
    lock(action.postmortem, actor)
    action = _present(action)
    standing = {name: getattr(action, name) for name in read}
    if standing == read:
        return action
    still_to_do(action, {name for name, value in read.items() if standing[name] != value})
    if version != action.version:
        mine, theirs = ({name: _plain(value) for name, value in side.items()} for side in (read, standing))
        raise EditConflict(f"action {action.position}", mine=mine, theirs=theirs, row=action)
    if read.get("owner") != standing.get("owner"):
        active(read.get("owner"))
    for name, value in read.items():
        setattr(action, name, value)
    return _written(action, actor, at)


@transaction.atomic
def finish(action: ActionItem, *, actor: Actor, at: datetime | None = None) -> ActionItem:
    """It is done; also after the incident has closed, since most actions take longer.

    A person who finishes what nobody owned has owned it; a token first has to name an owner (R159).
    """
    action = _to_end(action, actor)
    if action.done_at is not None:
        return action
    still_to_do(action)
    if action.owner is None:
        if actor.person is None:
            raise OperationRefused(f"Name an owner for action {action.position}, then finish it.")
        action.owner = actor.person
    action.done_at, action.done_by = at or clock.now(), actor.user
    return _ended(action, f"Action {action.position} done: {short(action.text)}", actor, at)


@transaction.atomic
def drop(action: ActionItem, *, actor: Actor, reason: str, at: datetime | None = None) -> ActionItem:
    """It will not be done, for a reason that stays; also after the incident has closed."""
    reason = given(reason, "Say why it is dropped.")
    action = _to_end(action, actor)
    still_to_do(action)
    action.dropped_at, action.dropped_reason = at or clock.now(), reason
    return _ended(action, f"Action {action.position} dropped: {short(action.text)}. {short(reason)}", actor, at)


def _to_end(action: ActionItem, actor: Actor) -> ActionItem:
    require(actor, Permission.RESPOND)
    incident = timeline.lock(action.postmortem.incident)
    action = _present(action)
    action.postmortem.incident = incident
    return action


def _present(action: ActionItem) -> ActionItem:
    return (
        ActionItem.objects.select_for_update(no_key=True, of=("self",))
        .select_related("postmortem__incident", "owner", "updated_by")
        .get(pk=action.pk)
    )


def still_to_do(action: ActionItem, changed: Collection[str] = ()) -> None:
    """Refuse to change what has ended, but for naming the owner of an action that never had one."""
    if [*changed] == ["owner"] and action.owner_id is None:
        return
    if action.done_at is not None:
        raise OperationRefused(f"Action {action.position} is done already.")
    if action.dropped_at is not None:
        raise OperationRefused(f"Action {action.position} was dropped: {action.dropped_reason}. Add another.")


def active(owner: User | None) -> None:
    """Refuse to give an action to who cannot sign in any longer."""
    if owner is not None and not owner.is_active:
        raise OperationRefused(f"{owner} cannot sign in any longer. Name somebody else.", status=422)


def _plain(value: Any) -> Any:
    return value.email if isinstance(value, User) else fields.plain(value)


def _written(action: ActionItem, actor: Actor, at: datetime | None) -> ActionItem:
    action.version += 1
    action.updated_at, action.updated_by = at or clock.now(), actor.user
    action.save()
    timeline.notify(action.postmortem.incident.ref, *PINGS)
    return action


def _ended(action: ActionItem, text: str, actor: Actor, at: datetime | None) -> ActionItem:
    _written(action, actor, at)
    timeline.append(
        action.postmortem.incident, TimelineEntry.Kind.NOTE, text, actor=actor, at=at, is_key=False, ping=PINGS
    )
    return action
