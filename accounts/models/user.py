"""People who sign in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from accounts import clock


class SiteRole(models.TextChoices):
    """What a person may do on this site (CONTRACT §1); admin implies every other."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    COMMANDER = "commander"
    COMMS = "comms"
    APPROVER = "approver"
    ADMIN = "admin"


def default_roles() -> list[str]:
    return [SiteRole.VIEWER.value]


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{"roles": [SiteRole.ADMIN], "is_superuser": True, **fields})


class User(AbstractBaseUser, PermissionsMixin):
    """A person who can sign in, by e-mail address. Only a User can acknowledge, verify or sign."""

    class Theme(models.TextChoices):
        SYSTEM = "system"
        LIGHT = "light"
        DARK = "dark"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=100, blank=True)
    roles = ArrayField(models.CharField(max_length=12, choices=SiteRole), default=default_roles)
    is_active = models.BooleanField(default=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    theme = models.CharField(max_length=6, choices=Theme, default=Theme.SYSTEM)
    created_at = models.DateTimeField(default=clock.now)
    signed_out_at = models.DateTimeField(
        null=True, blank=True, help_text="What signed this person in before then signs them in no longer."
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_ignoring_case"),
            models.CheckConstraint(
                condition=models.Q(roles__contained_by=[role.value for role in SiteRole]),
                name="user_roles_known",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        """The name people see; the part before the @ when none was given."""
        return self.name or self.email.partition("@")[0]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What every browser session carries; it changes with the password and with ``signed_out_at``.

        Both of Django's public methods (present key, fallback keys) ask this one.
        """
        carried: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]  # private, so not in stubs
        if self.signed_out_at is None:
            return carried
        salt = f"lastgood.signed_out_at {self.signed_out_at.isoformat()}"
        return salted_hmac(salt, carried, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_staff(self) -> bool:
        return self.has_role(SiteRole.ADMIN)

    def has_role(self, *wanted: str) -> bool:
        """Whether this active person holds one of the roles; admin holds all."""
        return self.is_active and (SiteRole.ADMIN in self.roles or any(role in self.roles for role in wanted))
