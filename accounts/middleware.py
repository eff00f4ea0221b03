"""Who is asking, and may they: settled before any view runs."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from accounts import clock
from accounts.actors import Actor, Surface
from accounts.errors import OperationRefused
from accounts.json_api import NO_STORE
from accounts.models import IdempotencyKey
from accounts.operations.keys import actor_of_bearer
from accounts.permissions import allows, needed_for_view, refusal

SURFACE_HEADER = "X-Lastgood-Surface"
REDIRECTS = frozenset({301, 302, 303})
AWAY = (OperationalError, InterfaceError)
UNKNOWN = (
    "The database stopped answering, so it is not known whether this was done. Send it again: what stands already "
    "is answered, not repeated."
)

logger = logging.getLogger(__name__)


class ActorRequest(HttpRequest):
    """A request after PermissionMiddleware: ``actor`` is None only at public doors."""

    actor: Actor | None
    htmx: Any


def is_api(request: HttpRequest) -> bool:
    """Whether answers are JSON: the API and the doors that machines use."""
    return request.path.startswith(("/api/", "/v1/", "/v2/"))


def holds_nul(request: HttpRequest) -> bool:
    """Whether a page was sent a NUL, which PostgreSQL cannot even look for. No browser sends one by itself."""
    sent = [*request.GET.lists(), *request.POST.lists()]
    return "\0" in request.path or any("\0" in value for _, values in sent for value in values)


def find_actor(request: HttpRequest) -> Actor | None:
    """The bearer of the Authorization header, else the signed-in person.

    A session cookie opens the JSON API for reading only: what changes things there takes a bearer, which no
    other site can make a browser send.
    """
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        cli = request.headers.get(SURFACE_HEADER, "") == Surface.CLI
        return actor_of_bearer(secret.strip(), Surface.CLI if cli else Surface.API)
    if request.user.is_authenticated and (not is_api(request) or request.method in {"GET", "HEAD"}):
        return Actor.of_user(request.user)
    return None


class PermissionMiddleware:
    """Sets ``request.actor`` and refuses every door whose declared permission the actor lacks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_api(request) and holds_nul(request):  # the API tells which member it was
            return HttpResponseBadRequest("The character U+0000 cannot be stored.\n", content_type="text/plain")
        try:
            request.actor = find_actor(request)  # type: ignore[attr-defined]
        except AWAY:
            return unavailable(request, "The database does not answer. Nothing was done; send this again.")
        key = request.headers.get("Idempotency-Key") if is_api(request) else request.POST.get("idempotency_key")
        actor: Actor | None = request.actor  # type: ignore[attr-defined]
        if key and actor is not None and request.method not in {"GET", "HEAD", "OPTIONS"}:
            try:
                return once(request, actor, key[:100], self.get_response)
            except AWAY:
                return unavailable(request, UNKNOWN)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        permission = needed_for_view(match.view_name, request.method or "") if match is not None else None
        actor: Actor | None = request.actor  # type: ignore[attr-defined]
        if permission is None:
            return forbidden(request, "Nobody has declared who may open this door.")
        if allows(actor, permission):
            return None
        if actor is None:
            if is_api(request):
                return JsonResponse(
                    {"error": "Authorization: Bearer <token> is missing, wrong, expired or revoked."},
                    status=401,
                    headers={"WWW-Authenticate": "Bearer"},
                )
            return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
        return forbidden(request, refusal(actor, permission))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A refusal that a page did not show itself becomes a page of its own; the API has its own handler.

        Losing the database on the way is said as what it is, by pages and API alike.
        """
        if isinstance(exception, AWAY):
            logger.warning("Lost the database while answering %s: %s", request.path, exception)
            return unavailable(request, UNKNOWN)
        if not isinstance(exception, OperationRefused) or is_api(request):
            return None
        if exception.status == 403:
            return forbidden(request, str(exception))
        if exception.status == 404:
            return render(request, "404.html", {"sentence": str(exception)}, status=404)
        return render(request, "refused.html", {"sentence": str(exception)}, status=exception.status)


def unavailable(request: HttpRequest, sentence: str) -> HttpResponse:
    """503, and when to come again. The page is drawn without what every page asks of the database."""
    later = {"Retry-After": "5"}
    if is_api(request):
        return JsonResponse({"error": sentence}, status=503, headers=later)
    return HttpResponse(render_to_string("503.html", {"sentence": sentence}), status=503, headers=later)


def forbidden(request: HttpRequest, sentence: str) -> HttpResponse:
    if is_api(request):
        return JsonResponse({"error": sentence}, status=403)
    return render(request, "403.html", {"sentence": sentence}, status=403)


def form_of(request: HttpRequest) -> bytes:
    """A sent form without its token against forgery, which differs on every drawing of the page."""
    fields = request.POST.copy()
    fields.pop("csrfmiddlewaretoken", None)
    return fields.urlencode().encode()


def once(
    request: HttpRequest, actor: Actor, key: str, answer: Callable[[HttpRequest], HttpResponseBase]
) -> HttpResponseBase:
    """Answer ``request`` once per (caller, key): a repeat gets the stored answer, another request is refused.

    The key is claimed before the work and settled after it; a claim nobody settled (the process died) is taken
    over after a minute, since every operation can bear being asked twice. An answer of the API that holds a secret
    is never kept.
    """
    user = actor.user.pk if actor.user else 0
    caller = f"token:{actor.token.pk}" if actor.token else f"user:{user}"
    said = request.body if is_api(request) else form_of(request)
    asked = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + said).hexdigest()
    at = clock.now()
    with transaction.atomic():
        row, fresh = IdempotencyKey.objects.select_for_update(no_key=True).get_or_create(
            caller=caller, key=key, defaults={"request_digest": asked, "created_at": at}
        )
        if not fresh and row.answered_at is None and at - row.created_at > timedelta(minutes=1):
            row.created_at, fresh = at, row.request_digest == asked
            row.save(update_fields=["created_at"])
    if row.request_digest != asked:
        return refused(request, "This idempotency key was used for another request.", 422)
    if not fresh:
        if not is_api(request):
            wait_for_answer(row)
        if row.answered_at is None:
            return refused(request, "The first request with this key is still being answered.", 409)
        return stored(row)
    response = answer(request)
    secret = is_api(request) and response.headers.get("Cache-Control") == NO_STORE
    if response.status_code >= 500 or response.streaming or secret:
        IdempotencyKey.objects.filter(pk=row.pk).delete()
    else:
        moved = response.status_code in REDIRECTS
        IdempotencyKey.objects.filter(pk=row.pk).update(
            answered_at=clock.now(),
            status=response.status_code,
            body=response["Location"].encode() if moved else getattr(response, "content", b""),
            content_type=response.headers.get("Content-Type", ""),
        )
    return response


def wait_for_answer(row: IdempotencyKey) -> None:
    """A form pressed twice: its second press waits for the answer to the first, for a few seconds at most."""
    for _ in range(50):
        if row.answered_at is not None:
            return
        time.sleep(0.1)
        row.refresh_from_db()


def stored(row: IdempotencyKey) -> HttpResponse:
    """The answer that was given; of a redirect the body is where it leads."""
    status, body = row.status or 200, bytes(row.body)
    if status in REDIRECTS:
        answer = HttpResponse(status=status, headers={"Location": body.decode()})
    else:
        answer = HttpResponse(body, status=status, content_type=row.content_type)
    answer["Idempotency-Replayed"] = "true"
    return answer


def refused(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    if is_api(request):
        return JsonResponse({"error": sentence}, status=status)
    return render(request, "refused.html", {"sentence": sentence}, status=status)
