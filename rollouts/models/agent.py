"""Agents: what a team runs and answers for."""

from __future__ import annotations

import pgtrigger
from django.db import models

from accounts import clock
from accounts.models import Team


class Agent(models.Model):
    """One agent product, such as ``customer-service``; its variants are separate bundles."""

    slug = models.CharField(max_length=100, unique=True)
    team = models.ForeignKey(Team, models.PROTECT, null=True, blank=True, related_name="agents")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now)
    practice = models.BooleanField(
        default=False, editable=False, help_text="Simulated: its record may be removed as a whole. Given at birth."
    )

    class Meta:
        triggers = [
            pgtrigger.Protect(
                name="practice_is_given_at_birth",
                operation=pgtrigger.UpdateOf("practice"),  # type: ignore[no-untyped-call]
                condition=pgtrigger.Q(old__practice__df=pgtrigger.F("new__practice")),
            )
        ]

    def __str__(self) -> str:
        return self.slug
