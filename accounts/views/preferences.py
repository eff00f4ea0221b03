"""How this browser shows the pages: theme, density, single keys; in cookies, so that the server draws them at once."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.middleware import ActorRequest
from accounts.models import User

THEMES = {"system": "System", "light": "Light", "dark": "Dark"}
DENSITIES = {"comfortable": "Comfortable", "compact": "Compact"}
KEYS = {"on": "On", "off": "Off"}
YEAR = 365 * 24 * 3600


@require_POST
def preferences(request: ActorRequest) -> HttpResponse:
    """Keep what was chosen and go back to the page it was chosen on."""
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if safe else "/live")
    for name, known in (("theme", THEMES), ("density", DENSITIES), ("keys", KEYS)):
        if (chosen := request.POST.get(name)) in known:
            response.set_cookie(name, chosen, max_age=YEAR, samesite="Lax", secure=request.is_secure())
    theme = request.POST.get("theme")
    if theme in THEMES and isinstance(request.user, User) and request.user.theme != theme:
        User.objects.filter(pk=request.user.pk).update(theme=theme)
    return response
