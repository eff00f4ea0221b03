"""Changes that others tell us of: deploys, flags, migrations. They open nothing and explain much."""

from __future__ import annotations

from django.db import models

from incidents.models.alert import Integration, Receipt
from incidents.models.incident import Incident
from rollouts.models import Deployment


class ChangeEvent(models.Model):
    """One change event (PagerDuty Events API v2 form): what changed, where, when."""

    integration = models.ForeignKey(Integration, models.PROTECT, related_name="changes")
    receipt = models.OneToOneField(Receipt, models.PROTECT, related_name="change")
    deployment = models.ForeignKey(Deployment, models.PROTECT, null=True, blank=True, related_name="changes")
    summary = models.CharField(max_length=1024)
    source = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    at_assumed = models.BooleanField(default=False, help_text="Not sent: the time of receipt.")
    details = models.JSONField(default=dict)
    links = models.JSONField(default=list)
    incidents: models.ManyToManyField[Incident, models.Model] = models.ManyToManyField(
        Incident, related_name="changes", blank=True
    )

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["-at"], name="change_event_newest")]

    def __str__(self) -> str:
        return self.summary
