"""A stranger's account, a viewer's and a narrow token at every door: nothing opens by accident."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Scope, SiteRole
from accounts.permissions import Permission, needed_for
from tests.factories.accounts import UserFactory, token
from tests.factories.incidents import incident
from tests.factories.rollouts import KEY

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


def test_a_viewer_changes_nothing_but_says_what_they_see(client: Client) -> None:
    client.force_login(UserFactory(roles=[SiteRole.VIEWER]))
    for name, path, permission in guarded():
        everybodys = permission in {Permission.VIEW, Permission.PERSON, Permission.DECLARE}
        if everybodys or path.startswith(("/api/", "/v1/", "/v2/")):
            continue
        answer = client.post(path)
        assert answer.status_code == 403, f"{path} ({name}) answered a viewer {answer.status_code}"


def test_a_token_that_may_only_read_changes_nothing(client: Client) -> None:
    _, secret = token(Scope.READ)
    for name, path, permission in guarded():
        if permission == Permission.VIEW:
            continue
        bearer = {"Authorization": f"Bearer {secret}"}
        answer = client.post(path, headers=bearer)
        if answer.status_code == 405:  # what is written as a whole is put
            answer = client.put(path, headers=bearer)
        assert answer.status_code == 403, f"{path} ({name}) answered a reading token {answer.status_code}"


def test_a_disabled_person_is_a_stranger(client: Client) -> None:
    user = UserFactory(roles=[SiteRole.ADMIN])
    client.force_login(user)
    user.is_active = False
    user.save()
    for _, path, _ in guarded()[:20]:
        assert client.get(path).status_code in {302, 401, 405}


#: What no page sends, but anybody can: digits that are none, a number no row can have, half a reference, a NUL.
ODD = {
    "a digit that is none": "\u00b2",
    "a thousand digits": "9" * 5000,
    "a negative number": "-1",
    "half a reference": "INC-",
    "a percent sign": "%",
    "a NUL": "a\0b",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_values_are_refused_and_never_a_failure(client: Client, odd: str) -> None:
    """The test client raises what a page does not answer."""
    client.force_login(UserFactory(roles=[SiteRole.ADMIN]))
    room = incident()
    names = ("before", "q", "old", "view", "by", "is", "timeline", "to", "title", "text", "deployment", "scope", "kind")
    for _, path, _ in guarded():
        if path.startswith(("/api/", "/v1/", "/v2/", "/events/")):
            continue
        path = path.replace("/i/x/", f"/i/{room.ref}/").replace("/bundles/x/", f"/bundles/{KEY}/")
        for answer in (client.get(path, dict.fromkeys(names, odd)), client.post(path, dict.fromkeys(names, odd))):
            assert answer.status_code < 500, f"{path} answered {answer.status_code}"
            assert "\0" not in odd or answer.status_code == 400


def test_odd_addresses_are_not_found(client: Client) -> None:
    client.force_login(UserFactory(roles=[SiteRole.ADMIN]))
    for path in ("/i/{}/", "/bundles/{}/", "/fleet/{}/", "/bundles/{}/versions/{}/", "/i/INC-1/legs/{}/"):
        for odd in ("%C2%B2", "%25", "9" * 300, "%E2%80%AE"):
            assert client.get(path.replace("{}", odd)).status_code < 500
        assert client.get(path.replace("{}", "a%00b")).status_code == 400
