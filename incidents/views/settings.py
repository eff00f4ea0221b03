"""Settings, thin: who may do what, which keys machines carry, which monitors may post."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Subquery
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.clock import now
from accounts.forms import TokenForm
from accounts.http import show
from accounts.middleware import ActorRequest
from accounts.models import ApiToken, ResolverKey
from accounts.operations import keys
from incidents.models import Integration, Receipt
from incidents.views.frame_of_settings import acting, common


@require_safe
def first(request: ActorRequest) -> HttpResponse:
    """Settings open on people."""
    return HttpResponseRedirect(reverse("incidents:people"))


@require_safe
def tokens(request: ActorRequest) -> HttpResponse:
    """Tokens and resolver keys, by how they begin."""
    return tokens_page(request, TokenForm())


def tokens_page(request: ActorRequest, form: TokenForm, status: int = 200, **more: Any) -> HttpResponse:
    """The tab, with the form as it was filled in."""
    context = {
        "tokens": list(ApiToken.objects.select_related("issued_by").order_by("revoked_at", "-pk")[:200]),
        "keys": list(ResolverKey.objects.select_related("issued_by").order_by("revoked_at", "-pk")[:200]),
        "form": form,
        "tab": "tokens",
    }
    return show(request, "settings/tokens.html", context | common(request) | more, status=status)


@require_POST
def issue(request: ActorRequest) -> HttpResponse:
    """A new token; its secret is shown once, on the answer to this press."""
    form, actor = TokenForm(request.POST), acting(request)
    if not form.is_valid() or actor.person is None:
        return tokens_page(request, form, status=422)
    token, secret = keys.issue_token(
        form.cleaned_data["name"],
        form.cleaned_data["scopes"],
        issuer=actor.person,
        actor=actor,
        expires_at=form.expires_at(now()),
    )
    return tokens_page(request, TokenForm(), issued=token, secret=secret)


@require_POST
def revoke(request: ActorRequest, kind: str, pk: int) -> HttpResponse:
    """Revoke a token or resolver key, at once."""
    if kind == "resolver":
        keys.revoke(get_object_or_404(ResolverKey, pk=pk), actor=acting(request))
    else:
        keys.revoke(get_object_or_404(ApiToken, pk=pk), actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:tokens"))


@require_safe
def integrations(request: ActorRequest) -> HttpResponse:
    """Monitors that may post, and when each was last heard."""
    newest = Receipt.objects.filter(integration=OuterRef("pk")).order_by("-pk").values("received_at")[:1]
    found = Integration.objects.annotate(heard_at=Subquery(newest)).order_by("revoked_at", "source", "pk")
    context = {"integrations": list(found[:200]), "tab": "integrations", "base": request.build_absolute_uri("/")[:-1]}
    return show(request, "settings/integrations.html", context | common(request))
