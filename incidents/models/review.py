"""The quarterly reading of all postmortems, and what it decided."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Acted, append_only


class Review(Acted):
    """One quarter's review, such as ``2026Q4``, from the day somebody started it; ``snapshot`` is frozen at its end."""

    quarter = models.CharField(max_length=6, unique=True)
    started_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    snapshot = models.JSONField(null=True, blank=True, help_text="The figures as they stood when it was closed.")

    class Meta:
        ordering = ["-quarter"]
        constraints = [
            models.CheckConstraint(condition=Q(quarter__regex=r"^[0-9]{4}Q[1-4]$"), name="review_quarter_shape"),
            models.CheckConstraint(
                condition=Q(closed_at=None) | Q(snapshot__isnull=False), name="review_closed_with_its_figures"
            ),
        ]

    def __str__(self) -> str:
        return self.quarter


class StandardChange(Acted):
    """One decision of a review (R179): which library standard changed because of a pattern, or why none did."""

    review = models.ForeignKey(Review, models.PROTECT, related_name="decisions")
    pattern = models.CharField(max_length=200, help_text="What repeated, as the review shows it.")
    changed = models.BooleanField(help_text="A standard changed; otherwise the text says why none did.")
    standard = models.CharField(max_length=200, blank=True, help_text="The standard that changed.")
    text = models.TextField(help_text="What it says now, or why nothing changed.")
    incident_refs = models.JSONField(default=list)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(changed=False) | ~Q(standard=""), name="changed_standard_is_named"),
            models.CheckConstraint(condition=Q(actor_kind="person"), name="standard_decided_by_a_person"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return self.standard or f"no change: {self.pattern}"
