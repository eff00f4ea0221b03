"""What will be done so that it does not happen again, by whom, until when, and how we will know."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from incidents.models.postmortem import Edited, Postmortem


class ActionItem(Edited):
    """One action of a postmortem. Dropped with a reason rather than deleted."""

    class Kind(models.TextChoices):
        """Row 19 of the template; the first two are deterministic patches (R156)."""

        WORDING = "wording", "Wording"
        GUARD = "guard", "Deterministic guard"
        EVAL_CASE = "eval_case", "Eval case"
        RATE_TARGET = "rate_target", "Rate target"
        SCOPE = "scope", "Scope or autonomy reduction"
        OWNER = "owner", "Owner change"
        GATE = "gate", "Gate"

    DETERMINISTIC = frozenset({Kind.WORDING, Kind.GUARD})

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="actions")
    position = models.PositiveIntegerField()
    text = models.TextField()
    kind = models.CharField(max_length=11, choices=Kind)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="actions")
    due_on = models.DateField(null=True, blank=True)
    verification = models.TextField(blank=True, help_text="How we will know that it worked.")
    tracker_url = models.URLField(max_length=500, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    dropped_at = models.DateTimeField(null=True, blank=True)
    dropped_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(dropped_at=None) | ~Q(dropped_reason=""), name="action_dropped_for_a_reason"
            ),
            models.CheckConstraint(condition=Q(done_at=None) | Q(dropped_at=None), name="action_ends_once"),
        ]
        indexes = [
            models.Index(fields=["due_on"], condition=Q(done_at=None, dropped_at=None), name="action_still_due"),
        ]

    def __str__(self) -> str:
        return self.text[:80]
