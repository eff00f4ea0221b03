"""The people of a site as pages: before a change stands what it gives, takes and leaves to hand over."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from django.db import connection

from accounts.actors import Actor
from accounts.models import Scope, User
from accounts.operations import keys, people
from incidents.operations import acknowledge, duty
from incidents.views import live
from tests.browsers import Browser, text
from tests.factories.accounts import SHELL, person
from tests.factories.incidents import incident, on_call, someone

pytestmark = pytest.mark.django_db


def test_a_change_of_roles_is_shown_before_it_is_made() -> None:
    browser, jo = Browser("admin"), someone("Jo")
    page = text(browser.get(f"/settings/people/{jo.pk}/", roles=["viewer", "approver"]))
    assert "responder → viewer, approver" in page
    assert "Jo may then promote and waive gates, sign off." in page
    assert "No longer: work on incidents, acknowledge, close and skip steps." in page
    jo.refresh_from_db()
    assert jo.roles == ["responder"]
    pressed = browser.press(f"/settings/people/{jo.pk}/roles/", roles=["viewer", "approver"])
    assert pressed["Location"] == f"/settings/people/{jo.pk}/"
    jo.refresh_from_db()
    assert jo.roles == ["viewer", "approver"]
    assert "responder → viewer, approver" in text(browser.get(f"/settings/people/{jo.pk}/"))
    assert "These are the roles Jo has" in text(browser.get(f"/settings/people/{jo.pk}/", roles=["viewer", "approver"]))


def test_the_only_admin_is_told_why_not() -> None:
    browser = Browser("admin")
    for act, fields in (("roles", {"roles": ["viewer"]}), ("disable", {})):
        refused = browser.press(f"/settings/people/{browser.user.pk}/{act}/", **fields)
        assert refused.status_code == 409
        assert "is the only admin" in text(refused)
    assert browser.press(f"/settings/people/{browser.user.pk}/roles/").status_code == 422


def test_what_a_person_carries_is_to_be_handed_over_once_they_are_out() -> None:
    browser, jo = Browser("admin"), someone("Jo")
    room = incident(severity="SEV1")
    on_call(jo)
    acknowledge.acknowledge(room, actor=Actor.of_user(jo))
    duty.assign(room, actor=person(), user=jo, duty="scribe")
    keys.issue_token("test token", [Scope.READ], issuer=jo, actor=SHELL)
    keys.issue_resolver_key("runtimes", "prod", issuer=jo, actor=SHELL)
    before = text(browser.get(f"/settings/people/{jo.pk}/"))
    assert "1 token they issued is refused: test token." in before
    assert "3 to hand over, above." in before
    assert browser.press(f"/settings/people/{jo.pk}/disable/").status_code == 302
    after = text(browser.get(f"/settings/people/{jo.pk}/"))
    assert "<title>Kept out · Jo" in after
    assert "To hand over" in after
    assert "Refused" in after
    assert "3 to hand over" in text(browser.get("/settings/people/"))
    assert "kept out: hand over" in text(browser.get("/oncall/"))
    assert browser.press(f"/settings/people/{jo.pk}/enable/").status_code == 302
    assert User.objects.get(pk=jo.pk).is_active


def test_a_reset_shows_its_link_once() -> None:
    browser, jo = Browser("admin"), someone("Jo")
    page = text(browser.press(f"/settings/people/{jo.pk}/reset/"))
    assert "http://testserver/sign-in/lgs_" in page
    assert "lgs_" not in text(browser.get(f"/settings/people/{jo.pk}/"))
    people.disable(jo, actor=SHELL)
    assert browser.press(f"/settings/people/{jo.pk}/reset/").status_code == 409


@pytest.mark.parametrize("act", ["roles", "disable", "enable", "reset"])
def test_only_admins_press(act: str) -> None:
    jo = someone("Jo")
    assert Browser().press(f"/settings/people/{jo.pk}/{act}/", roles=["admin"]).status_code == 403
    jo.refresh_from_db()
    assert (jo.roles, jo.is_active) == (["responder"], True)
    assert "An admin gives roles" in text(Browser().get(f"/settings/people/{jo.pk}/"))


def test_the_list_costs_the_same_for_many(django_assert_max_num_queries: object) -> None:
    browser = Browser("admin")
    for number in range(20):
        on_call(someone(f"Person {number} of many"))
    with django_assert_max_num_queries(13):  # type: ignore[operator]
        browser.get("/settings/people/")


@pytest.mark.django_db(transaction=True)
def test_open_streams_end_with_the_person_also_when_nobody_listened() -> None:
    mara, jo = someone("Mara"), someone("Jo")

    async def out(box: live.Mailbox) -> bool:
        async with asyncio.timeout(10):
            while not box.over:
                await asyncio.sleep(0.01)
        return True

    async def story() -> tuple[bool, bool]:
        jos, maras = live.Mailbox("board", jo.pk), live.Mailbox("board", mara.pk)
        streams = [live.stream(jos), live.stream(maras)]
        for stream in streams:
            await anext(stream)
        board = live.switchboard()
        async with asyncio.timeout(10):
            while not board.ready.is_set():
                await asyncio.sleep(0.01)
        await asyncio.to_thread(gone, jo)
        ended = await out(jos)
        said = [chunk async for chunk in streams[0]]
        assert len(said) <= 1
        still = maras.over
        missed = live.Mailbox("board", mara.pk)
        board.join(missed)
        async with await psycopg.AsyncConnection.connect(**live.parameters(), autocommit=True) as other:
            await other.execute("UPDATE accounts_user SET signed_out_at = now() WHERE id = %s", [mara.pk])
            await board.see_out(other)
        late = missed.over and maras.over
        board.leave(missed)
        for stream in streams:
            await stream.aclose()
        return ended and not still, late

    def gone(user: User) -> None:
        try:
            people.disable(user, actor=SHELL)
        finally:
            connection.close()

    assert asyncio.run(story()) == (True, True)
