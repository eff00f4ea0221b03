"""The JSON API of this app: signing a person in at a command line."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from ninja import Router, Schema, Status

from accounts import clock
from accounts.operations import login

router = Router(tags=["login"])


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
