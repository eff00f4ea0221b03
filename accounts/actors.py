"""Who acts: a person, an automation (token, clock, guard) or an agent. Every operation is told one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from accounts.models import ApiToken, User


class ActorKind(models.TextChoices):
    """CONTRACT §1: a token, workflow, bot or integration key is never a person."""

    PERSON = "person"
    AUTOMATION = "automation"
    AGENT = "agent"


class Surface(models.TextChoices):
    """The door an act came through."""

    WEB = "web"
    API = "api"
    CLI = "cli"
    SLACK = "slack"
    INTAKE = "intake"
    CLOCK = "clock"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Actor:
    """The one who acts, with the rights they act under.

    ``user`` is the person themselves, or for a token the person who issued it (its responsible human);
    ``kind`` alone says whether this act was a person's. ``scopes`` are a token's, empty for people.
    """

    kind: ActorKind
    label: str
    surface: Surface
    user: User | None = None
    token: ApiToken | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_person(self) -> bool:
        return self.kind == ActorKind.PERSON

    @property
    def person(self) -> User | None:
        """The user, when a person acts; None for tokens and machines."""
        return self.user if self.is_person else None

    @classmethod
    def of_user(cls, user: User, surface: Surface = Surface.WEB) -> Actor:
        """A signed-in person."""
        return cls(ActorKind.PERSON, user.display_name, surface, user=user)

    @classmethod
    def of_token(cls, token: ApiToken, surface: Surface = Surface.API) -> Actor:
        """A bearer token: automation, answering to the person who issued it."""
        return cls(
            ActorKind.AUTOMATION,
            token.name,
            surface,
            user=token.issued_by,
            token=token,
            scopes=frozenset(token.scopes),
        )

    @classmethod
    def automation(cls, label: str, surface: Surface = Surface.CLOCK) -> Actor:
        """A part of Lastgood itself, such as the clock or an integration."""
        return cls(ActorKind.AUTOMATION, label, surface)
