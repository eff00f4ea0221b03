"""A reason or field somebody still has to supply."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from incidents.models.incident import Incident


class Owed(models.Model):
    """Something the record still lacks, such as a severity nobody set or a rollback's investigation."""

    class Kind(models.TextChoices):
        SEVERITY = "severity", "Set severity"
        DEPLOYMENT = "deployment", "Say which agent"
        INVESTIGATION = "investigation", "Investigate the rollback"
        REASON = "reason", "Give the reason"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="owed")
    kind = models.CharField(max_length=14, choices=Kind)
    about = models.CharField(max_length=60, blank=True)
    text = models.CharField(max_length=300)
    since = models.DateTimeField()
    given_at = models.DateTimeField(null=True, blank=True)
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ["since", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["incident", "kind", "about"], name="owed_once"),
        ]
        indexes = [models.Index(fields=["since"], condition=models.Q(given_at=None), name="owed_still")]

    def __str__(self) -> str:
        return self.text
