"""The one fact the wiring keeps: that clock, broker and worker were alive together."""

from __future__ import annotations

from django.db import models


class Tick(models.Model):
    """One row: when a task sent by the clock last ran in a worker."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="tick_is_one_row")]

    def __str__(self) -> str:
        return self.at.isoformat()
