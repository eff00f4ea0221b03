"""What a stranger sees when an address is nobody's: a page, or JSON where programs ask."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found

from accounts.middleware import is_api


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: the page, or one sentence in JSON below the addresses that programs use."""
    if is_api(request):
        return JsonResponse({"error": f"There is nothing at {request.path[:200]}. See /api/openapi.json."}, status=404)
    return page_not_found(request, exception)
