"""The JSON API: one OpenAPI document for every app's routes, one shape for every refusal."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from accounts import strict_json
from accounts.api import people_router
from accounts.api import router as accounts_router
from accounts.errors import OperationRefused
from incidents.api import router as incidents_router
from incidents.destinations_api import router as destinations_router
from incidents.evidence_api import router as evidence_router
from incidents.integrations_api import router as integrations_router
from incidents.postmortem_api import router as postmortem_router
from incidents.resolve_api import router as resolve_router
from incidents.reviews_api import router as reviews_router
from rollouts.api import router as rollouts_router
from rollouts.evals_api import router as evals_router
from rollouts.identity_api import router as identity_router
from rollouts.legs_api import router as legs_router
from rollouts.switches_api import router as switches_router


class StrictParser(Parser):
    """Bodies with one meaning only; ninja turns what this raises into a 400 whose cause it is."""

    def parse_body(self, request: HttpRequest) -> Any:
        return strict_json.load(request.body)


api = NinjaAPI(
    parser=StrictParser(),
    title="Lastgood",
    version="1",
    urls_namespace="api",
    docs_url=None,
    description="Incident response for AI agents. Every route takes `Authorization: Bearer <token>`.",
)
api.add_router("/v1", accounts_router)
api.add_router("/v1", people_router)
api.add_router("/v1", rollouts_router)
api.add_router("/v1", evals_router)
api.add_router("/v1", identity_router)
api.add_router("/v1", switches_router)
api.add_router("/v1", legs_router)
api.add_router("/v1", incidents_router)
api.add_router("/v1", destinations_router)
api.add_router("/v1", integrations_router)
api.add_router("/v1", evidence_router)
api.add_router("/v1", resolve_router)
api.add_router("/v1", postmortem_router)
api.add_router("/v1", reviews_router)


@api.exception_handler(OperationRefused)
def refused(request: HttpRequest, refusal: OperationRefused) -> HttpResponse:
    return api.create_response(request, {"error": str(refusal), **refusal.details}, status=refusal.status)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors: list[dict[str, Any]] = [
        {"path": ".".join(str(part) for part in item.get("loc", ())[2:]), "message": item.get("msg", "")}
        for item in error.errors
    ]
    return api.create_response(request, {"error": "The body does not fit.", "errors": errors}, status=422)


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    sentence = str(error.__cause__ if isinstance(error.__cause__, strict_json.UnreadableJson) else error)
    return api.create_response(request, {"error": sentence}, status=error.status_code)


@api.exception_handler(RequestDataTooBig)
def too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return api.create_response(request, {"error": "The body is too large."}, status=413)
