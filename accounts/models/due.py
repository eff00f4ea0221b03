"""Rows with a due time: the row is the memory, the broker only a hint."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models, transaction
from django.db.models import F, Q


class DueQuerySet(models.QuerySet[Any]):
    def due(self, at: datetime) -> Self:
        """Not done, not given up, and not held by a claim that is still alive."""
        return self.filter(
            Q(claimed_until=None) | Q(claimed_until__lte=at), due_at__lte=at, done_at=None, given_up_at=None
        )

    def claim(self, at: datetime, *, limit: int = 50, hold: timedelta = timedelta(seconds=60)) -> list[Any]:
        """Take up to ``limit`` due rows for ``hold``; two claimants never get the same row.

        A claimant that dies lets go when ``hold`` has passed, so work is repeated rather than lost.
        """
        with transaction.atomic():
            rows = list(
                self.due(at)
                .order_by("due_at", "pk")
                .select_for_update(skip_locked=True, no_key=True, of=("self",))[:limit]
            )
            self.model.objects.filter(pk__in=[row.pk for row in rows]).update(
                claimed_until=at + hold, attempts=F("attempts") + 1
            )
        for row in rows:
            row.claimed_until, row.attempts = at + hold, row.attempts + 1
        return rows


class DueRow(models.Model):
    """Abstract: something to be done at ``due_at``, once, by whoever claims it first (SKIP LOCKED)."""

    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True, help_text="Set aside after too many failures.")
    error = models.TextField(blank=True)

    objects = DueQuerySet.as_manager()

    class Meta:
        abstract = True

    def fail(
        self,
        error: str,
        *,
        at: datetime,
        give_up_after: int | None = 8,
        retry_after: float | None = None,
        longest: float = 900,
    ) -> None:
        """Record a failed attempt and try again later: after 2, 4, 8 … seconds, at most ``longest``.

        Never before ``retry_after`` seconds, where the other side named them. ``give_up_after=None``: never give up.
        """
        self.error = error[:2000]
        self.claimed_until = None
        if give_up_after is not None and self.attempts >= give_up_after:
            self.given_up_at = at
        else:
            wait = min(2.0 ** min(self.attempts, 30), longest)
            self.due_at = at + timedelta(seconds=max(wait, retry_after or 0))
        self.save(update_fields=["error", "claimed_until", "given_up_at", "due_at"])

    def postpone(self, until: datetime) -> None:
        """Let go of a claimed row untried: it is due again at ``until`` and this counts as no attempt."""
        self.claimed_until, self.due_at, self.attempts = None, until, max(self.attempts - 1, 0)
        self.save(update_fields=["claimed_until", "due_at", "attempts"])

    def finish(self, *, at: datetime) -> None:
        """Record that it has been done."""
        self.done_at, self.claimed_until, self.error = at, None, ""
        self.save(update_fields=["done_at", "claimed_until", "error"])
