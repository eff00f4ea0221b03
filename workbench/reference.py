"""The API as a page to read: every route of the OpenAPI document with what it needs and how to call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.views.decorators.http import require_safe

from accounts.http import show
from accounts.models import SiteRole
from accounts.permissions import FOR_ON_CALL, GRANTS, Permission, needed_for_view
from workbench.api import api

#: Deeper than this a body's parts are left to the document itself.
DEEPEST = 4
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of the body; ``name`` is its path in the body, such as ``waiver.reason``."""

    name: str
    kind: str
    required: bool
    text: str
    place: str = "body"


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    tag: str
    summary: str
    text: str
    permission: Permission | None
    fields: tuple[Field, ...]
    answers: tuple[str, ...]
    curl: str

    @property
    def changes(self) -> bool:
        return self.method in CHANGES

    @property
    def scopes(self) -> list[str]:
        """Of a token that may; empty: tokens may not."""
        return sorted(GRANTS[self.permission][1]) if self.permission in GRANTS else []

    @property
    def roles(self) -> list[str]:
        """Of a person who may, admin left out since admins always may."""
        held = GRANTS[self.permission][0] if self.permission in GRANTS else frozenset()
        if held == frozenset(SiteRole):
            return ["anybody signed in"]
        return [role.value for role in SiteRole if role in held and role != SiteRole.ADMIN] or ["admin"]

    @property
    def on_call(self) -> bool:
        return self.permission in FOR_ON_CALL

    @property
    def public(self) -> bool:
        return self.permission == Permission.PUBLIC


@cache
def routes() -> tuple[Route, ...]:
    """Every route, in the order of the document. Nothing in it changes while the process lives."""
    schema = api.get_openapi_schema()
    parts = schema.get("components", {}).get("schemas", {})
    found = []
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            found.append(route(path, method.upper(), told, parts))
    return tuple(found)


def route(path: str, method: str, told: dict[str, Any], parts: dict[str, Any]) -> Route:
    """One route as the document tells of it; the name under which it is declared is asked of Django."""
    parameters = told.get("parameters", [])
    sample = path
    for parameter in parameters:
        if parameter["in"] == "path":
            value = "1" if parameter["schema"].get("type") == "integer" else "x"
            sample = sample.replace("{" + parameter["name"] + "}", value)
    fields = [
        Field(
            parameter["name"],
            kind_of(parameter["schema"], parts),
            bool(parameter.get("required")),
            parameter.get("description") or parameter["schema"].get("description", ""),
            parameter["in"],
        )
        for parameter in parameters
    ]
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        fields += members(body, parts)
    return Route(
        anchor=told["operationId"],
        method=method,
        path=path,
        tag=(told.get("tags") or [""])[0],
        summary=told.get("summary", ""),
        text=" ".join(told.get("description", "").split()),
        permission=needed_for_view(resolve(sample).view_name, method),
        fields=tuple(fields),
        answers=tuple(sorted(str(status) for status in told.get("responses", {}))),
        curl=curl(method, path, example(body, parts) if body is not None else None),
    )


def plain(schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """The schema itself behind a reference, and without the null that may stand in its place."""
    for _ in range(DEEPEST):
        if "$ref" in schema:
            schema = parts.get(schema["$ref"].rpartition("/")[2], {}) | {
                name: value for name, value in schema.items() if name != "$ref"
            }
            continue
        some = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
        if len(some) != 1:
            break
        schema = {name: value for name, value in schema.items() if name != "anyOf"} | some[0]
    return schema


def kind_of(schema: dict[str, Any], parts: dict[str, Any]) -> str:
    """``text``, ``number``, ``one of a, b`` …, in a person's words."""
    found = plain(schema, parts)
    if values := found.get("enum"):
        return f"one of {', '.join(map(str, values))}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    kind = str(found.get("type", "anything"))
    if kind == "array":
        return f"list of {kind_of(found.get('items', {}), parts)}"
    if kind == "string" and found.get("format") == "date-time":
        return "time, ISO 8601"
    return words.get(kind, kind)


def members(schema: dict[str, Any], parts: dict[str, Any], prefix: str = "", depth: int = 0) -> list[Field]:
    """The members of an object and of the objects in it."""
    found, schema = list[Field](), plain(schema, parts)
    for name, told in schema.get("properties", {}).items():
        inner, path = plain(told, parts), f"{prefix}{name}"
        text = told.get("description") or inner.get("description", "")
        found.append(Field(path, kind_of(told, parts), name in schema.get("required", []), text))
        if depth < DEEPEST and inner.get("properties"):
            found += members(inner, parts, f"{path}.", depth + 1)
    return found


def example(schema: dict[str, Any], parts: dict[str, Any], depth: int = 0) -> Any:
    """The least that the schema takes."""
    found = plain(schema, parts)
    if "default" in found and found["default"] is not None and depth:
        return found["default"]
    if values := found.get("enum"):
        return values[0]
    kind = found.get("type")
    if kind == "object" and depth <= DEEPEST:
        needed = found.get("required", [])
        return {
            name: example(told, parts, depth + 1)
            for name, told in found.get("properties", {}).items()
            if name in needed
        }
    if kind == "array":
        return [example(found.get("items", {}), parts, depth + 1)] if depth <= DEEPEST else []
    moment = "2026-12-01T00:00:00Z" if found.get("format") == "date-time" else "…"
    return {"string": moment, "integer": 1, "number": 1, "boolean": True}.get(str(kind))


def curl(method: str, path: str, body: Any) -> str:
    """How to call it from a shell."""
    lines = [f"curl -X {method}" if method != "GET" else "curl"]
    lines += ['-H "Authorization: Bearer $LASTGOOD_TOKEN"']
    if body is not None:
        lines += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body, ensure_ascii=False)}'"]
    return " \\\n  ".join([*lines, f'"$LASTGOOD_URL{path}"'])


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """All routes by subject; ``?q=`` keeps those that hold every word."""
    q = request.GET.get("q", "").strip()[:200]
    words = q.lower().split()
    groups: dict[str, list[Route]] = {}
    for each in routes():
        scopes = " ".join(each.scopes)
        said = f"{each.method} {each.path} {each.tag} {each.summary} {each.text} {scopes}".lower()
        if all(word in said for word in words):
            groups.setdefault(each.tag, []).append(each)
    count = sum(map(len, groups.values()))
    context = {"groups": groups.items(), "q": q, "count": count, "base": request.build_absolute_uri("/")[:-1]}
    return show(request, "api/docs.html", context, region="routes")
