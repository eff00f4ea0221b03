"""How a page or one region of it is answered: one URL, one template, whole or in part."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from accounts.actors import Actor
from accounts.permissions import Permission, allows

#: What differs on every drawing although nothing changed: tokens against forgery and repeats.
FRESH = re.compile(rb'name="(?:csrfmiddlewaretoken|idempotency_key)" value="[^"]*"')


def whole_number(text: str) -> int | None:
    """The number that an address or a form names; None for what no row can have: blanks, ``²``, a thousand digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def wants_region(request: HttpRequest) -> bool:
    """Whether htmx asks for one region. Restoring history asks for the whole page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") != "full"


def show(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    region: str = "",
    fragment: bool = False,
    status: int = 200,
) -> HttpResponse:
    """The page, or its partial ``region`` when htmx asks for it; ``fragment``: the whole template is a region,
    told by ``alone`` that no page stands around it.

    A region carries a tag of what it shows (``HX-PTag``); asked again with the same tag the answer is 304 and the
    browser leaves its page alone.
    """
    part = bool(region) and wants_region(request)
    context = {"alone": fragment} | context
    response = render(request, f"{template}#{region}" if part else template, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Request-Type"])
    if (part or fragment) and request.method == "GET" and status == 200:
        tag = hashlib.blake2b(FRESH.sub(b"", response.content), digest_size=12).hexdigest()
        if request.headers.get("HX-PTag") == tag:
            response = HttpResponse(status=304)
            patch_vary_headers(response, ["HX-Request", "HX-Request-Type"])
        response["HX-PTag"] = tag
    response["Cache-Control"] = "no-store"
    return response


def told(response: HttpResponse, *, announce: str = "", alarm: str = "", toast: str = "") -> HttpResponse:
    """Have the page say something: politely, urgently, or on a toast. Plain text, shown as text."""
    said = {"announce": announce, "alarm": alarm, "toast": toast}
    response["HX-Trigger"] = json.dumps({name: {"value": text} for name, text in said.items() if text})
    return response


class Rights:
    """What the one who looks may do, asked by templates as ``may.contain``: each right is settled when first asked."""

    def __init__(self, actor: Actor | None, deployment: Any = None) -> None:
        self.actor, self.deployment = actor, deployment

    def __getitem__(self, right: str) -> bool:
        return allows(self.actor, Permission(right), self.deployment)
