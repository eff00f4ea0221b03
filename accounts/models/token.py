"""Keys that machines carry and links that sign people in. Only digests are stored, never the secret itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts import clock


class Scope(models.TextChoices):
    """What a token may do. ``contain`` = roll back and stop; ``approver`` = promote."""

    READ = "read"
    PUSH = "push"
    APPROVER = "approver"
    CONTAIN = "contain"
    RESPOND = "respond"
    TELEMETRY = "telemetry"


class KeyQuerySet(models.QuerySet[Any]):
    def usable(self, at: datetime | None = None) -> Self:
        """Neither revoked nor expired."""
        at = at or clock.now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=at), revoked_at=None)


class Key(models.Model):
    """What every stored secret has: a SHA-256 digest to find it by, an issuer, and an end."""

    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12, help_text="The first characters, to tell keys apart on a page.")
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = KeyQuerySet.as_manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class ApiToken(Key):
    """A bearer token for the JSON API, the command line and telemetry: automation, never a person."""

    scopes = ArrayField(models.CharField(max_length=12, choices=Scope))

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=[scope.value for scope in Scope]), name="api_token_scopes_known"
            ),
        ]


class ResolverKey(Key):
    """A key that agent runtimes resolve bundles with; bound to one environment, which it selects."""

    environment = models.CharField(max_length=16)


class PersonSession(models.Model):
    """A ``lastgood login`` session: a person at a command line, for 12 hours, approved by a link in a browser."""

    device_digest = models.CharField(max_length=64, unique=True)
    user_code = models.CharField(max_length=16, unique=True)
    created_at = models.DateTimeField(default=clock.now)
    approve_until = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    digest = models.CharField(max_length=64, unique=True, null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_at=None) | Q(user__isnull=False), name="person_session_approved_by_a_person"
            ),
        ]

    def __str__(self) -> str:
        return f"session {self.user_code}"


class SignInLink(models.Model):
    """A link that signs one person in, once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"sign-in link of {self.user}"
