"""What machines carry: tokens for the API and telemetry, resolver keys for runtimes."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.clock import now
from accounts.forms import ResolverKeyForm, TokenForm
from accounts.http import show
from accounts.middleware import ActorRequest
from accounts.models import ApiToken, ResolverKey
from accounts.operations import keys
from incidents.views.frame_of_settings import acting, common


@require_safe
def tokens(request: ActorRequest) -> HttpResponse:
    """Tokens and resolver keys, by how they begin."""
    return listing(request)


def listing(
    request: ActorRequest,
    form: TokenForm | None = None,
    key_form: ResolverKeyForm | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """The tab, with the forms as they were filled in; what works before what is revoked."""
    order = (F("revoked_at").desc(nulls_first=True), F("pk").desc())
    context = {
        "tokens": list(ApiToken.objects.select_related("issued_by").order_by(*order)[:200]),
        "keys": list(ResolverKey.objects.select_related("issued_by").order_by(*order)[:200]),
        "form": form or TokenForm(prefix="token"),
        "key_form": key_form or ResolverKeyForm(prefix="key"),
        "tab": "tokens",
    }
    return show(request, "settings/tokens.html", context | common(request) | more, status=status)


@require_POST
def issue(request: ActorRequest) -> HttpResponse:
    """A new token; its secret is shown once, on the answer to this press."""
    form, actor = TokenForm(request.POST, prefix="token"), acting(request)
    if not form.is_valid() or actor.person is None:
        return listing(request, form, status=422)
    name, scopes = form.cleaned_data["name"], form.cleaned_data["scopes"]
    token, secret = keys.issue_token(name, scopes, issuer=actor.person, actor=actor, expires_at=form.expires_at(now()))
    return listing(request, issued=token, secret=secret)


@require_POST
def issue_key(request: ActorRequest) -> HttpResponse:
    """A new resolver key; its secret is shown once, on the answer to this press."""
    form, actor = ResolverKeyForm(request.POST, prefix="key"), acting(request)
    if not form.is_valid() or actor.person is None:
        return listing(request, key_form=form, status=422)
    name, environment = form.cleaned_data["name"], form.cleaned_data["environment"]
    key, secret = keys.issue_resolver_key(
        name, environment, issuer=actor.person, actor=actor, expires_at=form.expires_at(now())
    )
    return listing(request, issued=key, secret=secret)


@require_POST
def revoke(request: ActorRequest, kind: str, pk: int) -> HttpResponse:
    """Revoke a token or resolver key, at once."""
    if kind == "resolver":
        keys.revoke(get_object_or_404(ResolverKey, pk=pk), actor=acting(request))
    else:
        keys.revoke(get_object_or_404(ApiToken, pk=pk), actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:tokens"))
