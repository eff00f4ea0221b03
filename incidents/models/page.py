"""What has to leave the house: pages to people, notices to everybody concerned."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import DueRow, Team
from incidents.models.incident import Incident, Severity
from incidents.models.timeline import TimelineEntry


class Page(DueRow):
    """Wake one person for one incident. Unique per incident, person and round."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="pages")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    round = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "user", "round"], name="page_once_per_round"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(done_at=None, given_up_at=None), name="page_due"),
        ]

    def __str__(self) -> str:
        return f"page {self.user} for {self.incident}"


class Destination(models.Model):
    """Where notices go beside the people concerned: a mail address, a Slack channel or somebody's webhook.

    ``events`` are the kinds it wants to hear of (empty: all of them), ``least_severity`` the mildest severity;
    ``secret`` signs a webhook's messages and is stored sealed.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        SLACK = "slack", "Slack channel"
        WEBHOOK = "webhook", "Signed webhook"

    kind = models.CharField(max_length=7, choices=Kind)
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=500)
    secret = models.BinaryField(default=b"")
    events = ArrayField(models.CharField(max_length=20), default=list, blank=True)
    least_severity = models.CharField(max_length=4, choices=Severity, default=Severity.SEV4)
    team = models.ForeignKey(Team, models.CASCADE, null=True, blank=True, related_name="destinations")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "address"], condition=models.Q(disabled_at=None), name="destination_once_per_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Notice(DueRow):
    """Tell one destination of one timeline entry, once: ``email:<address>`` of a person, or ``destination:<id>``."""

    entry = models.ForeignKey(TimelineEntry, models.PROTECT, related_name="notices")
    destination = models.CharField(max_length=300)
    subject = models.CharField(max_length=300)
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "destination"], name="notice_once_per_destination"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(done_at=None, given_up_at=None), name="notice_due"),
        ]

    def __str__(self) -> str:
        return f"notice of {self.entry} to {self.destination}"


class SendAttempt(models.Model):
    """One try to send a notice or a page: the delivery log. ``answer`` is what the other side said, shortened."""

    notice = models.ForeignKey(Notice, models.CASCADE, null=True, blank=True, related_name="tries")
    page = models.ForeignKey(Page, models.CASCADE, null=True, blank=True, related_name="tries")
    at = models.DateTimeField()
    ok = models.BooleanField()
    took_ms = models.FloatField()
    answer = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(notice=None) ^ models.Q(page=None), name="attempt_is_of_one_message"
            ),
        ]

    def __str__(self) -> str:
        return "sent" if self.ok else f"not sent: {self.answer}"
