"""Stopping without a deploy: kill switches never expire, their engagements are kept."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Acted
from rollouts.models.deployment import Deployment


class KillSwitch(models.Model):
    """One scope of one deployment that can be stopped: whole, writes, region:…, tool:… or cohort:…"""

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="kill_switches")
    scope = models.CharField(max_length=120)
    fallback = models.TextField(blank=True, help_text="What customers get instead: the usable path without the agent.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "scope"], name="kill_switch_once_per_scope"),
            models.CheckConstraint(
                condition=Q(scope__regex=r"^(whole|writes|(region|tool|cohort):.+)$"), name="kill_switch_scope_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deployment} {self.scope}"


class Stop(Acted):
    """One engagement of a kill switch, until a person releases it."""

    kill_switch = models.ForeignKey(KillSwitch, models.PROTECT, related_name="stops")
    reason = models.TextField(blank=True)
    fallback = models.TextField(blank=True)
    pressed_in = models.CharField(max_length=32, blank=True)
    decided_at = models.DateTimeField()
    engaged_at = models.DateTimeField()
    committed_ms = models.FloatField()
    epoch = models.BigIntegerField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    release_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kill_switch"], condition=Q(released_at=None), name="one_open_stop_per_kill_switch"
            ),
            models.CheckConstraint(
                condition=Q(released_at=None) | Q(released_by__isnull=False), name="stop_released_by_a_person"
            ),
        ]
        indexes = [
            models.Index(fields=["engaged_at"], name="stop_by_time"),
            models.Index(fields=["released_at"], condition=Q(released_at__isnull=False), name="stop_by_release"),
        ]

    def __str__(self) -> str:
        return f"stop of {self.kill_switch}"
