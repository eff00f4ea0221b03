"""People, teams and keys for tests."""

from __future__ import annotations

from factory.declarations import LazyAttribute, Sequence

from accounts.actors import Actor, Surface
from accounts.models import ApiToken, Scope, SiteRole, Team, User
from accounts.operations import keys
from tests.factories import Factory


class UserFactory(Factory[User]):
    class Meta:
        model = User

    name = Sequence(lambda n: f"Person {n}")
    email = LazyAttribute(lambda user: f"{user.name.lower().replace(' ', '.')}@example.com")
    roles = [SiteRole.RESPONDER]


class TeamFactory(Factory[Team]):
    class Meta:
        model = Team

    slug = Sequence(lambda n: f"team-{n}")
    name = LazyAttribute(lambda team: team.slug.title())


def person(*roles: str, surface: Surface = Surface.WEB, **fields: object) -> Actor:
    """A fresh person holding ``roles`` (responder unless said), acting in a browser."""
    return Actor.of_user(UserFactory(roles=list(roles) or [SiteRole.RESPONDER], **fields), surface)


def token(*scopes: str, issuer: User | None = None) -> tuple[ApiToken, str]:
    """A fresh API token with ``scopes`` (all unless said), and its secret."""
    issuer = issuer or UserFactory(roles=[SiteRole.ADMIN])
    return keys.issue_token(
        "test token", scopes or [scope.value for scope in Scope], issuer=issuer, actor=Actor.of_user(issuer)
    )


def machine(*scopes: str) -> Actor:
    """A token acting through the API."""
    return Actor.of_token(token(*scopes)[0])


CLOCKWORK = Actor.automation("test clock")
#: Whoever has a shell on the server: issues keys.
SHELL = Actor.automation("test shell", Surface.COMMAND)
