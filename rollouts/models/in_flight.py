"""Work that was under way when the pointer moved, as the runtimes that held it count it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from accounts.models import Acted
from rollouts.models.rollback import Rollback


class InFlightReport(Acted):
    """One runtime's counts since the flip, so far (R059, R060). Each report replaces the one before: totals, not steps.

    ``remaining`` is what has not ended yet; null where the runtime does not say. Counts never go back.
    """

    rollback = models.ForeignKey(Rollback, models.PROTECT, related_name="in_flight_reports")
    instance = models.CharField(max_length=200, blank=True)
    finished_old = models.PositiveIntegerField(default=0)
    finished_new = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    retried = models.PositiveIntegerField(default=0)
    retried_ok = models.PositiveIntegerField(default=0)
    remaining = models.PositiveIntegerField(null=True, blank=True)
    first_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["rollback", "instance"], name="in_flight_once_per_instance"),
            models.CheckConstraint(condition=Q(retried_ok__lte=F("retried")), name="in_flight_succeeded_of_retried"),
        ]

    def __str__(self) -> str:
        return f"{self.instance or 'all'}: {self.retried_ok} of {self.retried} retried"
