"""A stranger's account, a viewer's and a narrow token at every door: nothing opens by accident."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Scope, SiteRole
from accounts.permissions import Permission, needed_for
from tests.factories.accounts import UserFactory, token

pytestmark = pytest.mark.django_db

OPEN_TO_ALL = {Permission.PUBLIC, Permission.KEYED}
#: A value for each kind of path parameter, so that every route can be asked.
SAMPLES = {"int": "1", "str": "x", "slug": "x", "path": "x", "uuid": "00000000-0000-0000-0000-000000000000"}


def routes(resolver: URLResolver, prefix: str = "/", space: str = "") -> Iterator[tuple[str, str]]:
    """(view name, a path that reaches it) for every named pattern."""
    for pattern in resolver.url_patterns:
        path = prefix + sample(pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from routes(pattern, path, inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield space + pattern.name, path


def sample(pattern: URLPattern | URLResolver) -> str:
    route = str(pattern.pattern).lstrip("^").rstrip("$")
    for name, converter in pattern.pattern.converters.items():
        kind = next((kind for kind in SAMPLES if kind in type(converter).__name__.lower()), "str")
        for written in (f"<{kind}:{name}>", f"<{name}>"):
            route = route.replace(written, SAMPLES[kind])
    return route


def guarded() -> list[tuple[str, str, Permission]]:
    found = []
    for name, path in routes(get_resolver()):
        permission = needed_for(f"url:{name}")
        if permission is not None and permission not in OPEN_TO_ALL and "(?P" not in path and "<" not in path:
            found.append((name, path, permission))
    return found


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_gets_in_nowhere(client: Client, method: str) -> None:
    assert len(guarded()) > 15
    for name, path, _ in guarded():
        answer = getattr(client, method)(path)
        api = path.startswith(("/api/", "/v1/", "/v2/"))
        expected = {401} if api else {302}
        assert answer.status_code in expected, f"{method} {path} ({name}) answered a stranger {answer.status_code}"
        if not api:
            assert answer["Location"].startswith("/accounts/login/"), f"{path} sent a stranger to {answer['Location']}"


def test_a_viewer_changes_nothing(client: Client) -> None:
    client.force_login(UserFactory(roles=[SiteRole.VIEWER]))
    for name, path, permission in guarded():
        if permission in {Permission.VIEW, Permission.PERSON} or path.startswith(("/api/", "/v1/", "/v2/")):
            continue
        answer = client.post(path)
        assert answer.status_code == 403, f"{path} ({name}) answered a viewer {answer.status_code}"


def test_a_token_that_may_only_read_changes_nothing(client: Client) -> None:
    _, secret = token(Scope.READ)
    for name, path, permission in guarded():
        if permission == Permission.VIEW:
            continue
        answer = client.post(path, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 403, f"{path} ({name}) answered a reading token {answer.status_code}"


def test_a_disabled_person_is_a_stranger(client: Client) -> None:
    user = UserFactory(roles=[SiteRole.ADMIN])
    client.force_login(user)
    user.is_active = False
    user.save()
    for _, path, _ in guarded()[:20]:
        assert client.get(path).status_code in {302, 401, 405}
