"""People are let in, given roles, kept out and let in again; somebody always stays who can."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from accounts import clock
from accounts.actors import Actor
from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import AuditEntry, PersonSession, Scope, SiteRole, User
from accounts.operations import keys, login, people
from incidents.operations import acknowledge
from tests.browsers import Browser
from tests.callers import Caller, signed_in
from tests.factories.accounts import SHELL, UserFactory, machine, person, token
from tests.factories.incidents import incident

pytestmark = pytest.mark.django_db


def admin() -> User:
    made: User = UserFactory(roles=[SiteRole.ADMIN])
    return made


# -- roles ---------------------------------------------------------------------------------------------------------
def test_roles_are_given_in_order_and_the_record_says_from_what_to_what() -> None:
    ada, jo = admin(), UserFactory(roles=["responder"])
    changed = people.set_roles(jo, actor=Actor.of_user(ada), roles=["approver", "commander", "approver"])
    assert changed.roles == ["commander", "approver"]
    entry = AuditEntry.objects.get()
    assert (entry.verb, entry.data) == ("set roles", {"from": ["responder"], "to": ["commander", "approver"]})
    people.set_roles(jo, actor=Actor.of_user(ada), roles=["approver", "commander"])
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(("roles", "sentence"), [([], "at least one role"), (["king"], "no role 'king'")])
def test_no_role_and_an_unknown_one_are_refused(roles: list[str], sentence: str) -> None:
    with pytest.raises(OperationRefused, match=sentence) as refused:
        people.set_roles(UserFactory(), actor=SHELL, roles=roles)
    assert refused.value.status == 422


def test_an_admin_who_was_invited_and_has_never_been_in_is_none_to_rely_on() -> None:
    ada = admin()
    invited, _ = people.invite(actor=SHELL, email="new@example.com", roles=["admin"])
    for lose in (
        lambda: people.set_roles(ada, actor=SHELL, roles=["viewer"]),
        lambda: people.disable(ada, actor=SHELL),
        lambda: people.reset(ada, actor=SHELL),
    ):
        with pytest.raises(OperationRefused, match="is the only admin"):
            lose()
    with pytest.raises(OperationRefused, match="was invited already"):
        people.invite(actor=SHELL, email="new@example.com", roles=["admin"])
    invited.set_password("long enough to be one")
    invited.save()
    assert people.reset(ada, actor=SHELL)[0] == ada


def test_the_last_admin_neither_loses_the_role_nor_is_kept_out_not_even_by_a_shell() -> None:
    ada = admin()
    UserFactory(roles=[SiteRole.ADMIN], is_active=False)
    for actor in (Actor.of_user(ada), SHELL):
        with pytest.raises(OperationRefused, match="is the only admin"):
            people.set_roles(ada, actor=actor, roles=["viewer"])
        with pytest.raises(OperationRefused, match="is the only admin"):
            people.disable(ada, actor=actor)
    ada.refresh_from_db()
    assert (ada.is_active, ada.roles) == (True, ["admin"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["set_roles", "disable"])
def test_two_admins_who_demote_each_other_at_once_leave_one(act: str) -> None:
    ada, bob = admin(), admin()
    together, said = threading.Barrier(2), list[str]()

    def press(who: User, whom: User) -> None:
        together.wait(10)
        try:
            if act == "disable":
                people.disable(whom, actor=Actor.of_user(who))
            else:
                people.set_roles(whom, actor=Actor.of_user(who), roles=["viewer"])
            said.append("done")
        except OperationRefused as refusal:
            said.append(type(refusal).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=pair) for pair in ((ada, bob), (bob, ada))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(said) == ["NotPermitted", "done"]
    assert User.objects.filter(is_active=True, roles__contains=[SiteRole.ADMIN]).count() == 1


# -- out and in ----------------------------------------------------------------------------------------------------
def test_keeping_somebody_out_ends_sessions_logins_links_and_they_stay_over_when_let_in_again() -> None:
    ada, jo = admin(), UserFactory()
    browser, at_the_line = Browser(user=jo), signed_in(jo)
    link, room = keys.make_sign_in_link(jo), incident(severity="SEV1")
    ack = acknowledge.make_link(room, jo)
    assert browser.get("/live").status_code == 200
    people.disable(jo, actor=Actor.of_user(ada), reason="left the company")

    def nothing_works() -> None:
        assert browser.get("/live").status_code == 302
        assert at_the_line.get("/api/v1/incidents").status_code == 401
        assert keys.use_sign_in_link(link) is None
        with pytest.raises(NotFound):
            acknowledge.use_link(ack)

    nothing_works()
    people.enable(jo, actor=Actor.of_user(ada))
    nothing_works()
    assert Browser(user=User.objects.get(pk=jo.pk)).get("/live").status_code == 200
    assert [entry.verb for entry in AuditEntry.objects.filter(subject=jo.email).order_by("sequence")] == [
        "approve login",
        "disable person",
        "enable person",
    ]


def test_a_login_that_was_approved_but_not_fetched_ends_too() -> None:
    ada, jo = admin(), UserFactory()
    started = login.start()
    login.approve(started.user_code, actor=Actor.of_user(jo))
    people.reset(jo, actor=Actor.of_user(ada))
    with pytest.raises(OperationRefused, match="has been used or has expired"):
        login.redeem(started.device_code)
    assert PersonSession.objects.get().revoked_at is not None


def test_a_reset_signs_out_everywhere_forgets_the_password_and_leaves_tokens_alone() -> None:
    ada, jo = admin(), UserFactory()
    jo.set_password("an old password")
    jo.save()
    browser = Browser(user=jo)
    _, secret = keys.issue_token("pipeline", [Scope.READ], issuer=jo, actor=SHELL)
    before = keys.make_sign_in_link(jo)
    _, link = people.reset(jo, actor=Actor.of_user(ada))
    jo.refresh_from_db()
    assert browser.get("/live").status_code == 302
    assert not jo.has_usable_password()
    assert Caller(secret).get("/api/v1/incidents").status_code == 200
    assert keys.use_sign_in_link(before) is None
    answer = Client().post(f"/sign-in/{link}/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/set/")


def test_who_is_out_is_not_put_out_or_reset_again_and_who_is_in_not_let_in() -> None:
    ada, jo = admin(), UserFactory(is_active=False)
    with pytest.raises(OperationRefused, match="kept out already"):
        people.disable(jo, actor=Actor.of_user(ada))
    with pytest.raises(OperationRefused, match="Let them in first"):
        people.reset(jo, actor=Actor.of_user(ada))
    with pytest.raises(OperationRefused, match="may sign in already"):
        people.enable(ada, actor=SHELL)


@pytest.mark.parametrize("actor", [person, machine], ids=["responder", "token"])
def test_only_admins_look_after_people(actor: Callable[[], Actor]) -> None:
    admin()
    jo = UserFactory()
    acts: list[Callable[[Actor], object]] = [
        lambda who: people.invite(actor=who, email="x@example.com", roles=["viewer"]),
        lambda who: people.set_roles(jo, actor=who, roles=["admin"]),
        lambda who: people.disable(jo, actor=who),
        lambda who: people.enable(jo, actor=who),
        lambda who: people.reset(jo, actor=who),
    ]
    for act in acts:
        with pytest.raises(NotPermitted):
            act(actor())
    jo.refresh_from_db()
    assert (jo.is_active, jo.roles) == (True, ["responder"])


def test_sessions_from_before_this_existed_still_count(client: Client) -> None:
    jo = UserFactory()
    client.force_login(jo)
    assert jo.signed_out_at is None
    assert client.get("/live").status_code == 200
    jo.signed_out_at = clock.now() - timedelta(days=1)
    jo.save()
    assert client.get("/live").status_code == 302


# -- the API -------------------------------------------------------------------------------------------------------
def test_an_admin_at_the_command_line_has_every_verb_and_a_secret_is_never_kept() -> None:
    caller = signed_in(admin())
    caller.headers["Idempotency-Key"] = "twice"
    invited = caller.post("/api/v1/people", {"email": "New@example.com", "roles": ["viewer"]})
    assert invited.status_code == 201
    assert invited["Cache-Control"] == "no-store"
    assert "/sign-in/lgs_" in invited.json()["sign_in_url"]
    again = caller.post("/api/v1/people", {"email": "New@example.com", "roles": ["viewer"]})
    assert (again.status_code, "sign_in_url" in again.json()) == (409, False)
    del caller.headers["Idempotency-Key"]
    where = f"/api/v1/people/{invited.json()['id']}"
    assert caller.post(f"{where}/roles", {"roles": ["commander"]}).json()["roles"] == ["commander"]
    assert caller.post(f"{where}/disable", {"reason": "left"}).json()["active"] is False
    assert caller.post(f"{where}/disable").status_code == 409
    assert caller.post(f"{where}/enable").json()["active"] is True
    assert "/sign-in/lgs_" in caller.post(f"{where}/reset").json()["sign_in_url"]
    assert caller.get(where).json()["email"] == "new@example.com"
    listed = caller.get("/api/v1/people?limit=1").json()
    assert [row["email"] for row in listed["items"]] == ["new@example.com"]
    assert listed["next"] is not None


def test_the_api_of_people_is_closed_to_tokens_and_to_responders() -> None:
    secret = token()[1]
    assert Caller(secret).get("/api/v1/people").status_code == 403
    assert signed_in(UserFactory()).post("/api/v1/people/1/disable").status_code == 403
    assert signed_in(admin()).get("/api/v1/people/999999").status_code == 404
    assert signed_in(admin()).get(f"/api/v1/people/{10**30}").status_code == 404
