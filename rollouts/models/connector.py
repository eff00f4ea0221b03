"""What others run, and how a rollback reaches it: a cache to purge, a label to move, a hook to call."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from rollouts.models.agent import Agent
from rollouts.models.deployment import Environment


class Connector(models.Model):
    """One system outside that does a part of a leg's work, for one agent or all, in one environment or all.

    ``legs`` are the kinds of legs it works for, ``config`` what its file in ``connectors/`` checks; ``secret`` is
    stored sealed. ``review_due_at``: a home-grown way to undo is looked at again then (R122); a platform's own verb
    needs no date.
    """

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "Signed webhook"
        REDIS = "redis", "Redis keys"
        LANGFUSE = "langfuse", "Langfuse label"
        CDEVENTS = "cdevents", "CDEvents"

    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=100)
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="connectors")
    environment = models.ForeignKey(Environment, models.PROTECT, null=True, blank=True, related_name="+")
    legs = ArrayField(models.CharField(max_length=16))
    config = models.JSONField(default=dict)
    secret = models.BinaryField(default=b"")
    review_due_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(disabled_at=None), name="connector_name_once_while_in_use"
            ),
            models.CheckConstraint(condition=models.Q(legs__len__gte=1), name="connector_works_for_a_leg"),
        ]

    def __str__(self) -> str:
        return self.name
