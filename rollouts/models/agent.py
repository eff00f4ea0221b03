"""Agents: what a team runs and answers for."""

from __future__ import annotations

from django.db import models

from accounts import clock
from accounts.models import Team


class Agent(models.Model):
    """One agent product, such as ``customer-service``; its variants are separate bundles."""

    slug = models.CharField(max_length=100, unique=True)
    team = models.ForeignKey(Team, models.PROTECT, null=True, blank=True, related_name="agents")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.slug
