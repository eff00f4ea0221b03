"""What pushes are checked by, and what the checks found of each version."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Acted, append_only
from rollouts.models.bundle import Bundle, BundleVersion


class PromptRules(Acted):
    """What every further prompt of one bundle has to keep to; what was pushed before stays as it is.

    ``sections`` are headings or tags that must be there, ``forbidden`` phrases that must not, whatever their case.
    """

    bundle = models.OneToOneField(Bundle, models.PROTECT, related_name="prompt_rules")
    max_characters = models.PositiveIntegerField(null=True, blank=True)
    sections = ArrayField(models.CharField(max_length=100), default=list)
    forbidden = ArrayField(models.CharField(max_length=200), default=list)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(max_characters=None) | Q(max_characters__gte=1), name="prompt_rules_allow_some_text"
            ),
        ]

    def __str__(self) -> str:
        return f"prompt rules of {self.bundle}"

    def as_json(self) -> dict[str, Any]:
        return {"max_characters": self.max_characters, "sections": self.sections, "forbidden": self.forbidden}


class PushWarning(models.Model):
    """One thing the checks had to say of a version that was stored all the same. Append-only, like the version."""

    class Severity(models.TextChoices):
        ERROR = "error"
        WARNING = "warning"

    version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="warnings")
    check_name = models.CharField(max_length=40)
    path = models.TextField(help_text="Dotted, below the body.")
    message = models.TextField()
    severity = models.CharField(max_length=7, choices=Severity)
    line = models.PositiveIntegerField(null=True, help_text="In the prompt's text, from 1.")
    column = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(severity__in=["error", "warning"]), name="push_warning_severity_known"),
            models.CheckConstraint(
                condition=Q(line=None, column=None)
                | Q(line__isnull=False, column__isnull=False, line__gte=1, column__gte=1),
                name="push_warning_place_is_whole",
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"

    def as_json(self) -> dict[str, Any]:
        """``{"path", "message", "severity", "check"}``, and ``line`` and ``column`` where they apply."""
        told = {"path": self.path, "message": self.message, "severity": self.severity, "check": self.check_name}
        return told if self.line is None else {**told, "line": self.line, "column": self.column}
