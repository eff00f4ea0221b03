"""What runs beside what should: differences between a pointer and what was seen of it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from accounts.models import DueRow
from rollouts.models.deployment import Deployment


class Drift(models.Model):
    """One difference, as often as it was seen: ``seen`` where ``declared`` should have been.

    ``about`` is what differs: the model's name for ``model`` and ``alias``, empty for ``version``, the part (prompt,
    tools, …) for ``content``. ``count`` is runs for ``model`` and ``version``, changes for ``alias``, reports for
    ``content``. ``unreviewed``: nothing of ours ever put it there (R129, R163). ``day`` and ``trace_id`` name a run
    that showed it, the newest.
    """

    class Kind(models.TextChoices):
        MODEL = "model", "Another model answers"
        ALIAS = "alias", "The alias moved"
        VERSION = "version", "Another version runs"
        CONTENT = "content", "The content differs"

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="drifts")
    kind = models.CharField(max_length=7, choices=Kind)
    about = models.CharField(max_length=200, blank=True)
    declared = models.CharField(max_length=200)
    seen = models.CharField(max_length=200)
    unreviewed = models.BooleanField(default=False)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    count = models.PositiveBigIntegerField()
    source = models.CharField(max_length=200, help_text="Who told: telemetry, or whoever reported it.")
    day = models.DateField(null=True)
    trace_id = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ["-last_seen_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "kind", "about", "declared", "seen"], name="drift_once_per_difference"
            ),
            models.CheckConstraint(condition=~Q(declared=F("seen")), name="drift_is_a_difference"),
            models.CheckConstraint(
                condition=Q(last_seen_at__gte=F("first_seen_at")), name="drift_last_seen_after_first"
            ),
            models.CheckConstraint(condition=Q(count__gte=1), name="drift_was_seen"),
            models.CheckConstraint(
                condition=Q(kind__in=["model", "alias", "version", "content"]), name="drift_kind_known"
            ),
        ]
        indexes = [models.Index(fields=["deployment", "-last_seen_at"], name="drift_by_deployment")]

    def __str__(self) -> str:
        return f"{self.deployment}: {self.sentence}"

    @property
    def sentence(self) -> str:
        """What was seen, as pages say it."""
        match self.kind:
            case Drift.Kind.MODEL:
                return f"{self.seen} answered where {self.declared} is pinned."
            case Drift.Kind.ALIAS:
                return f"{self.about} began to be answered by {self.seen} instead of {self.declared}."
            case Drift.Kind.VERSION:
                return f"{self.seen} ran while {self.declared} was active."
        return f"The {self.about} in use ({self.seen[:12]}) is not that of the active version ({self.declared[:12]})."


class DriftWatch(DueRow):
    """When a deployment's telemetry is next looked at for drift, and until which moment it has been."""

    deployment = models.OneToOneField(Deployment, models.CASCADE, related_name="drift_watch")
    looked_until = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="drift_watch_due")]

    def __str__(self) -> str:
        return f"drift watch of {self.deployment}"
