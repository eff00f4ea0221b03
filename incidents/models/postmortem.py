"""The page an incident leaves behind."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from incidents.models.incident import Incident


class Postmortem(models.Model):
    """Root cause, impact, resolution and prevention of one incident, beside its timeline (R152)."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="postmortem")
    summary = models.TextField(blank=True)
    root_cause = models.TextField(blank=True)
    impact = models.TextField(blank=True)
    resolution = models.TextField(blank=True)
    prevention = models.TextField(blank=True)
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return f"postmortem of {self.incident}"
