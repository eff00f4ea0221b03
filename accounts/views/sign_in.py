"""Signing in by link, and approving a command line's login."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib.auth import login as open_session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import User
from accounts.operations import keys, login


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest, secret: str) -> HttpResponse:
    """GET shows a button and changes nothing, so that a link scanner uses nothing up; POST signs in, once."""
    if request.user.is_authenticated and request.method == "GET":
        return redirect(settings.LOGIN_REDIRECT_URL)
    if request.method == "POST":
        user = keys.use_sign_in_link(secret)
        if user is not None:
            open_session(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
            return redirect(settings.LOGIN_REDIRECT_URL if user.has_usable_password() else "account_set_password")
        return render(request, "accounts/sign_in_link.html", {"spent": True}, status=410)
    return render(request, "accounts/sign_in_link.html", {"spent": False})


@never_cache
@require_http_methods(["GET", "POST"])
def approve_session(request: HttpRequest, user_code: str) -> HttpResponse:
    """Show the code that the command line shows too; approving it gives that command line 12 hours as you."""
    actor = Actor.of_user(cast(User, request.user))
    context = {"code": user_code, "waiting": login.waiting(user_code), "approved": False, "refusal": ""}
    if request.method == "POST":
        try:
            login.approve(user_code, actor=actor)
            context["approved"] = True
        except OperationRefused as refusal:
            context["refusal"] = str(refusal)
    status = 200 if context["approved"] or context["waiting"] else 410
    return render(request, "accounts/approve_session.html", context, status=status)
