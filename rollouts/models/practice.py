"""Practice: a simulated fleet whose data can be taken away again."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class PracticeRun(models.Model):
    """One scenario lived through by the simulated fleet, until another begins or practice data are removed.

    The fleet is wanted until ``active_until``; then it rests and its data stay. ``report`` is what the fleet last
    told of itself, and what its next process goes on from. Since ``fix_asked_at`` it is to push its fixed candidate.
    """

    scenario = models.CharField(max_length=20, default="refund-limit")
    started_at = models.DateTimeField()
    active_until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When another began or its data were removed.")
    fix_asked_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When the fleet last reported.")
    report = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["ended_at"], nulls_distinct=False, condition=Q(ended_at=None), name="one_open_practice_run"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=models.F("started_at")),
                name="practice_run_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"practice run {self.pk}"
