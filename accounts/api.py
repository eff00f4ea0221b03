"""The JSON API of this app: signing a person in at a command line, and who may."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Body, Router, Schema, Status
from pydantic import Field

from accounts import access, clock
from accounts.json_api import NO_STORE, Cursor, Limit, Strict, Text, actor_of, page
from accounts.models import User
from accounts.operations import login, people

router = Router(tags=["login"])
people_router = Router(tags=["people"])
Answer = dict[str, Any]


class Poll(Schema):
    device_code: str


@router.post("/login", response={201: dict[str, Any]}, url_name="login_start")
def login_start(request: HttpRequest) -> Status[dict[str, Any]]:
    """Begin a login; show the person ``approve_url``."""
    started = login.start()
    return Status(
        201,
        {
            "device_code": started.device_code,
            "user_code": started.user_code,
            "approve_url": settings.BASE_URL + reverse("accounts:approve_session", args=[started.user_code]),
            "expires_in": int((started.expires_at - clock.now()).total_seconds()),
        },
    )


@router.post("/login/poll", response={200: dict[str, Any], 202: dict[str, Any]}, url_name="login_poll")
def login_poll(request: HttpRequest, body: Poll) -> Status[dict[str, Any]]:
    """202 while nobody has approved, then once 200 with the session's secret."""
    granted = login.redeem(body.device_code)
    if granted is None:
        return Status(202, {"status": "waiting"})
    return Status(
        200,
        {
            "session": granted.session,
            "expires_at": granted.expires_at.isoformat(),
            "user": {"email": granted.user.email, "name": granted.user.display_name},
        },
    )


class InviteIn(Strict):
    email: Annotated[Text, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
    name: Annotated[Text, Field(max_length=100)] = ""
    roles: list[Text] = Field(description="viewer, responder, commander, comms, approver, admin")


class RolesIn(Strict):
    roles: list[Text] = Field(description="Exactly these from now on.")


class DisableIn(Strict):
    reason: Annotated[Text, Field(max_length=500)] = ""


def shown(user: User) -> Answer:
    """A person as this API tells of them."""
    return {
        "id": user.pk,
        "email": user.email,
        "name": user.display_name,
        "roles": user.roles,
        "active": user.is_active,
        "created_at": user.created_at,
        "last_login": user.last_login,
        "signed_out_at": user.signed_out_at,
    }


def with_link(response: HttpResponse, user: User, secret: str) -> Answer:
    """A person and the address that signs them in once; kept by nobody."""
    response["Cache-Control"] = NO_STORE
    return shown(user) | {"sign_in_url": settings.BASE_URL + reverse("accounts:sign_in_link", args=[secret])}


@people_router.get("/people", response=Answer, url_name="list_people")
def list_people(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> Answer:
    """Everybody who may sign in or once might, the latest first."""
    found, after = page(access.people_for(actor_of(request)), cursor, limit)
    return {"items": [shown(user) for user in found], "next": after}


@people_router.post("/people", response={201: Answer}, url_name="invite_person")
def invite_person(request: HttpRequest, response: HttpResponse, body: InviteIn) -> Status[Answer]:
    """Let somebody in; `sign_in_url` signs them in once, within an hour, and is shown this once."""
    user, secret = people.invite(actor=actor_of(request), email=body.email, name=body.name, roles=body.roles)
    return Status(201, with_link(response, user, secret))


@people_router.get("/people/{int:person}", response=Answer, url_name="get_person")
def get_person(request: HttpRequest, person: int) -> Answer:
    """One person."""
    return shown(access.get_person(actor_of(request), person))


@people_router.post("/people/{int:person}/roles", response=Answer, url_name="set_roles")
def set_roles(request: HttpRequest, person: int, body: RolesIn) -> Answer:
    """Give exactly these roles. The last admin stays one."""
    actor = actor_of(request)
    return shown(people.set_roles(access.get_person(actor, person), actor=actor, roles=body.roles))


@people_router.post("/people/{int:person}/disable", response=Answer, url_name="disable_person")
def disable_person(request: HttpRequest, person: int, body: Annotated[DisableIn | None, Body()] = None) -> Answer:
    """Keep somebody out: sessions, logins, links and streams end at once. The last admin stays in."""
    actor, reason = actor_of(request), body.reason if body else ""
    return shown(people.disable(access.get_person(actor, person), actor=actor, reason=reason))


@people_router.post("/people/{int:person}/enable", response=Answer, url_name="enable_person")
def enable_person(request: HttpRequest, person: int) -> Answer:
    """Let somebody in again."""
    actor = actor_of(request)
    return shown(people.enable(access.get_person(actor, person), actor=actor))


@people_router.post("/people/{int:person}/reset", response=Answer, url_name="reset_person")
def reset_person(request: HttpRequest, response: HttpResponse, person: int) -> Answer:
    """Sign somebody out everywhere and forget the password; `sign_in_url` lets them back in, once."""
    actor = actor_of(request)
    return with_link(response, *people.reset(access.get_person(actor, person), actor=actor))
