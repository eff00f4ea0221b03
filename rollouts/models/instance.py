"""Running copies of an agent, known by what they fetch."""

from __future__ import annotations

from django.db import models

from rollouts.models.deployment import Deployment


class Instance(models.Model):
    """One running copy of an agent. ``fetched_at`` is when it first fetched ``version_number``.

    ``epoch`` is the environment epoch at which that version became active (its activation's), not the newest one.
    ``previous_seen_at`` is when it was last seen before that fetch; null for one that first appeared with it.
    """

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="instances")
    name = models.CharField(max_length=200)
    region = models.CharField(max_length=64, blank=True)
    version_number = models.PositiveIntegerField(null=True)
    epoch = models.BigIntegerField(default=0)
    fetched_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    previous_seen_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["region", "name"]
        constraints = [models.UniqueConstraint(fields=["deployment", "name"], name="instance_once_per_deployment")]

    def __str__(self) -> str:
        return self.name
