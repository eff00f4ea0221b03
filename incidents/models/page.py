"""What has to leave the house: pages to people, notices to everybody concerned."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models import DueRow
from incidents.models.incident import Incident
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


class Notice(DueRow):
    """Tell one destination of one timeline entry, once. ``destination`` is ``email:<address>``."""

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
