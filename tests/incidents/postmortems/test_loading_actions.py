"""Actions of a page that is read back: nobody is said to have done what they did not do."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import SiteRole
from incidents.models import ActionItem, Incident, Postmortem
from incidents.operations.postmortems import actions, draft, load
from incidents.operations.postmortems.content import SCHEMA, content_of
from tests.factories.accounts import machine, person
from tests.factories.incidents import incident, last, someone

pytestmark = pytest.mark.django_db

DONE = {"done_at": "2026-11-20T12:00:00Z", "done_by": "jo@example.com"}


@pytest.fixture
def mara() -> Actor:
    return person(SiteRole.COMMANDER, name="Mara")


@pytest.fixture
def room(db: None) -> Incident:
    someone("Jo", email="jo@example.com")
    return incident()


def put(room: Incident, actor: Actor, *rows: dict[str, Any]) -> Postmortem:
    page = draft.begin(room, actor=actor)
    content = {"schema": SCHEMA, "actions": list(rows)}
    return load.load(room, content, actor=actor, expected=load.etag(page))


def action(**values: Any) -> dict[str, Any]:
    return {"text": "Add a gate", "kind": "gate", "owner": {"email": "jo@example.com"}} | values


def test_a_token_finishes_in_its_own_name_whatever_it_sends(room: Incident) -> None:
    robot = machine("respond")
    put(room, robot, action(**DONE))
    made = ActionItem.objects.get()
    assert made.done_by == robot.user
    assert made.done_at is not None
    assert made.done_at.isoformat() != "2026-11-20T12:00:00+00:00"
    assert (last(room).text, last(room).actor_label) == ("Action 1 done: Add a gate", robot.label)


def test_a_person_changing_a_page_ends_actions_in_their_own_name(room: Incident, mara: Actor) -> None:
    put(room, mara, action(), action(text="Say it"))
    put(room, mara, action(**DONE), action(text="Say it", dropped_at=DONE["done_at"], dropped_reason="Said."))
    first, second = ActionItem.objects.all()
    assert (first.done_by, second.dropped_reason) == (mara.user, "Said.")
    told = room.timeline.filter(text__startswith="Action").order_by("sequence").values_list("text", flat=True)
    assert list(told) == ["Action 1 done: Add a gate", "Action 2 dropped: Say it. Said."]


def test_what_is_left_out_is_dropped_on_the_timeline(room: Incident, mara: Actor) -> None:
    put(room, mara, action())
    put(room, mara)
    assert last(room).text == "Action 1 dropped: Add a gate. Not in the page that was loaded."


@pytest.mark.parametrize(
    "change", [{"done_at": None}, {"done_at": "2026-11-20T12:00:00Z"}, {"done_by": "jo@example.com"}, {"text": "Other"}]
)
def test_how_an_action_ended_stays_as_it_is(room: Incident, mara: Actor, change: dict[str, Any]) -> None:
    page = put(room, mara, action())
    actions.finish(page.actions.get(), actor=mara)
    (standing,) = content_of(page)["actions"]
    put(room, mara, standing)  # the same again
    with pytest.raises(OperationRefused, match=r"has ended|is done already"):
        put(room, mara, standing | change)
    assert page.actions.get().done_by == mara.user


def test_a_person_takes_a_page_over_as_it_is_told_and_the_timeline_says_so(room: Incident, mara: Actor) -> None:
    page = load.load(room, {"schema": SCHEMA, "actions": [action(**DONE)]}, actor=mara)
    made = page.actions.get()
    assert (made.done_by.email if made.done_by else None) == "jo@example.com"
    assert last(room).text == "Taken over with a page that was loaded: 1 action that had ended"


def test_what_was_done_by_nobody_gets_its_owner_afterwards(room: Incident, mara: Actor) -> None:
    page = load.load(room, {"schema": SCHEMA, "actions": [action(owner=None, **DONE)]}, actor=mara)
    made = page.actions.get()
    with pytest.raises(OperationRefused, match="is done already"):
        actions.save(made, actor=mara, version=1, values={"text": "Other", "owner": mara.user})
    assert actions.save(made, actor=mara, version=1, values={"owner": mara.user}).owner == mara.user
    with pytest.raises(OperationRefused, match="is done already"):
        actions.save(made, actor=mara, version=2, values={"owner": "jo@example.com"})


def test_whoever_finishes_what_nobody_owned_has_owned_it(room: Incident, mara: Actor) -> None:
    page = draft.begin(room, actor=mara)
    made = actions.add(page, actor=mara, text="Add a gate", kind="gate")
    with pytest.raises(OperationRefused, match="Name an owner for action 1, then finish it"):
        actions.finish(made, actor=machine("respond"))
    assert actions.finish(made, actor=mara).owner == mara.user
