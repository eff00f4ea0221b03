"""Monitors and what they send."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts import clock
from incidents.models.incident import Incident
from rollouts.models import Deployment


class Integration(models.Model):
    """One monitor that may post to us, with a key of its own and its own reading of names and severities.

    ``settings``: ``{"fields": {"reference": ["reference"], "agent": [...], ...}, "severities": {"page": "SEV1"}}``;
    what is not set falls back to the defaults of CONTRACT §4.
    """

    source = models.CharField(max_length=40, help_text="The <source> of /intake/<source>/<key>.")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)
    previous_digest = models.CharField(max_length=64, unique=True, null=True, blank=True)
    previous_hint = models.CharField(max_length=12, blank=True)
    previous_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when the key before the present one is taken too."
    )
    settings = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(previous_digest=None) | Q(previous_until__isnull=False),
                name="integration_previous_key_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Receipt(models.Model):
    """One request as it arrived, stored before anybody tried to read it."""

    class Status(models.TextChoices):
        PROCESSED = "processed"
        QUARANTINED = "quarantined"
        REPLAYED = "replayed"
        TESTED = "tested"  # pressed by a person: read and decided like any other, then nothing of it was kept

    integration = models.ForeignKey(Integration, models.PROTECT, related_name="receipts", db_index=False)
    received_at = models.DateTimeField()
    body = models.BinaryField()
    content_type = models.CharField(max_length=100, blank=True)
    status = models.CharField(max_length=12, choices=Status)
    error = models.TextField(blank=True)
    replayed_at = models.DateTimeField(null=True, blank=True)
    replayed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["-id"], condition=Q(status="quarantined"), name="receipt_quarantined"),
            models.Index(fields=["integration", "-id"], name="receipt_by_integration"),
        ]

    def __str__(self) -> str:
        return f"receipt {self.pk}"


class Alert(models.Model):
    """One thing a monitor says is wrong, known by the monitor's own identity for it.

    One open alert per (integration, dedup key), decided by a partial unique index; the key is freed
    (``closed_at``) when the incident is resolved. ``firing`` follows what the monitor last said.
    """

    integration = models.ForeignKey(Integration, models.PROTECT, related_name="alerts", db_index=False)
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="alerts")
    deployment = models.ForeignKey(
        Deployment, models.PROTECT, null=True, blank=True, related_name="alerts", db_index=False
    )
    dedup_key = models.CharField(max_length=300)
    group_key = models.CharField(max_length=500, blank=True)
    title = models.CharField(max_length=300)
    firing = models.BooleanField(default=True)
    severity_sent = models.CharField(max_length=60, blank=True)
    labels = models.JSONField(default=dict)
    annotations = models.JSONField(default=dict)
    links = models.JSONField(default=list)
    not_shown = models.PositiveIntegerField(default=0, help_text="Alerts of the same group the sender left out.")
    started_at = models.DateTimeField()
    started_at_assumed = models.BooleanField(default=False, help_text="Not sent: the time of receipt.")
    ended_at = models.DateTimeField(null=True, blank=True)
    first_received_at = models.DateTimeField()
    last_received_at = models.DateTimeField()
    received_count = models.PositiveIntegerField(default=1)
    content_digest = models.CharField(max_length=64, help_text="Of what was said, to tell a repeat from a change.")
    grouped_by = models.CharField(max_length=200, help_text="Why it is in this incident, as a sentence.")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["dedup_key", "integration"], condition=Q(closed_at=None), name="one_open_alert_per_key"
            ),
        ]
        indexes = [
            # The telling column first: a planner without statistics would else take whichever begins alike.
            models.Index(
                fields=["group_key", "integration", "-id"], condition=Q(closed_at=None), name="alert_newest_by_group"
            ),
            models.Index(
                fields=["dedup_key", "integration", "-id"],
                condition=Q(closed_at__isnull=False),
                name="alert_newest_closed_by_key",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class AlertReceipt(models.Model):
    """Which receipt said what about which alert."""

    alert = models.ForeignKey(Alert, models.PROTECT, related_name="receipt_links")
    receipt = models.ForeignKey(Receipt, models.PROTECT, related_name="alert_links", db_index=False)
    status = models.CharField(max_length=10, help_text="opened, updated, duplicate, resolved or suppressed.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["receipt", "alert"], name="receipt_names_alert_once")]

    def __str__(self) -> str:
        return f"{self.receipt} {self.status}"
