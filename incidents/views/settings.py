"""Settings, thin: who may do what, which keys machines carry, which monitors may post."""

from __future__ import annotations

from typing import Any

from django.db.models import Max
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.actors import Actor
from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.forms import InviteForm, TokenForm
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from accounts.models import ApiToken, ResolverKey, SiteRole, User
from accounts.operations import keys
from accounts.operations import people as persons
from incidents.models import Integration


def acting(request: ActorRequest) -> Actor:
    """Who asks; these doors let nobody else in."""
    if request.actor is None:
        raise OperationRefused("Sign in first.", status=403)
    return request.actor


@require_safe
def first(request: ActorRequest) -> HttpResponse:
    """Settings open on people."""
    return HttpResponseRedirect(reverse("incidents:people"))


@require_http_methods(["GET", "HEAD", "POST"])
def people(request: ActorRequest) -> HttpResponse:
    """Everybody with their roles; admins invite by a link that signs in once."""
    form = InviteForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "tab": "people"}
    status = 200
    if request.method == "POST":
        if form.is_valid():
            try:
                user, secret = persons.invite(actor=acting(request), **form.cleaned_data)
                context |= {"invited": user, "form": InviteForm()}
                context["link"] = request.build_absolute_uri(reverse("accounts:sign_in_link", args=[secret]))
            except OperationRefused as refusal:
                form.add_error(None, str(refusal))
        status = 422 if form.errors else 200
    context["people"] = list(User.objects.order_by("-is_active", "email")[:300])
    return show(request, "settings/people.html", context | common(request), status=status)


@require_POST
def roles(request: ActorRequest, pk: int) -> HttpResponse:
    """Give one person exactly the ticked roles."""
    person = get_object_or_404(User, pk=pk)
    wanted = [role for role in SiteRole.values if role in request.POST.getlist("roles")]
    persons.set_roles(person, actor=acting(request), roles=wanted, active="active" in request.POST)
    return HttpResponseRedirect(reverse("incidents:people"))


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: ActorRequest) -> HttpResponse:
    """Tokens and resolver keys; a new token's secret is shown once, on the answer to the press."""
    form = TokenForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "tab": "tokens"}
    status = 200
    actor = acting(request)
    if request.method == "POST":
        if form.is_valid() and actor.person is not None:
            token, secret = keys.issue_token(
                form.cleaned_data["name"],
                form.cleaned_data["scopes"],
                issuer=actor.person,
                actor=actor,
                expires_at=form.expires_at(now()),
            )
            context |= {"issued": token, "secret": secret, "form": TokenForm()}
        else:
            status = 422
    context["tokens"] = list(ApiToken.objects.select_related("issued_by").order_by("revoked_at", "-pk")[:200])
    context["keys"] = list(ResolverKey.objects.select_related("issued_by").order_by("revoked_at", "-pk")[:200])
    return show(request, "settings/tokens.html", context | common(request), status=status)


@require_POST
def revoke(request: ActorRequest, kind: str, pk: int) -> HttpResponse:
    """Revoke a token or resolver key, at once."""
    key: ApiToken | ResolverKey = get_object_or_404(ResolverKey if kind == "resolver" else ApiToken, pk=pk)
    keys.revoke(key, actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:tokens"))


@require_safe
def integrations(request: ActorRequest) -> HttpResponse:
    """Monitors that may post, and when each was last heard."""
    found = Integration.objects.annotate(heard_at=Max("receipts__received_at")).order_by("revoked_at", "source", "pk")
    context = {"integrations": list(found[:200]), "tab": "integrations", "base": request.build_absolute_uri("/")[:-1]}
    return show(request, "settings/integrations.html", context | common(request))


def common(request: ActorRequest) -> dict[str, Any]:
    """What every tab needs."""
    return {"may": Rights(request.actor), "site_roles": SiteRole.values, "at": now()}
