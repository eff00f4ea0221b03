"""Taking a version back, and every leg a text revert leaves behind."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Acted, append_only
from rollouts.models.bundle import BundleVersion
from rollouts.models.deployment import Activation, Deployment


class Rollback(Acted):
    """One press: from a bad version to a good one. Append-only.

    ``committed_ms`` is measured from the decision reaching us to the flip being written; ``pressed_in`` is the
    reference of the incident room it was pressed in, blank elsewhere (opaque to this app). ``taken`` are the
    version numbers that left the stack, oldest first, the one rolled back from last: roll forward puts them back.
    """

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="rollbacks")
    activation = models.OneToOneField(Activation, models.PROTECT, related_name="rollback")
    from_version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="+")
    to_version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True)
    pressed_in = models.CharField(max_length=32, blank=True)
    decided_at = models.DateTimeField()
    flipped_at = models.DateTimeField()
    committed_ms = models.FloatField()
    epoch = models.BigIntegerField()
    in_flight_policy = models.CharField(max_length=16, blank=True)
    taken = ArrayField(models.PositiveIntegerField(), default=list)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["flipped_at"], name="rollback_by_time")]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.deployment}: {self.from_version.label} → {self.to_version.label}"


class RollbackLeg(models.Model):
    """One thing a text revert leaves behind; the rollback is complete when each is done or waived by name.

    ``closed_at`` is when a person or the machine closed it; ``verified_at`` is a person's mark of its own beside that.
    """

    class Kind(models.TextChoices):
        FLIP = "flip", "Flip"
        PREFIX_CACHE = "prefix_cache", "Prefix cache"
        SEMANTIC_CACHE = "semantic_cache", "Semantic cache"
        HISTORIES = "histories", "Histories"
        BASELINE = "baseline", "Baseline"
        EXPERIMENT = "experiment", "Experiment"
        DOWNSTREAM = "downstream", "Downstream"

    class State(models.TextChoices):
        OPEN = "open"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        BLOCKED = "blocked"
        WAIVED = "waived"
        NOT_APPLICABLE = "not_applicable", "Not applicable"

    rollback = models.ForeignKey(Rollback, models.PROTECT, related_name="legs")
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    position = models.PositiveSmallIntegerField()
    sentence = models.TextField(help_text="What this leg is about here, or why it does not apply.")
    reason = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    closed_by_label = models.CharField(max_length=100, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(verified_at__isnull=True, verified_by__isnull=True)
                | models.Q(verified_at__isnull=False, verified_by__isnull=False),
                name="leg_verified_by_a_person",
            ),
            models.UniqueConstraint(fields=["rollback", "kind"], name="leg_once_per_rollback"),
            models.CheckConstraint(
                condition=~models.Q(state="waived") | models.Q(closed_by__isnull=False), name="leg_waived_by_name"
            ),
        ]
        indexes = [
            models.Index(
                fields=["-rollback"],
                condition=models.Q(state__in=["open", "running", "failed", "blocked"]),
                name="leg_unfinished",
            ),
            models.Index(
                fields=["closed_at"], condition=models.Q(closed_by__isnull=False), name="leg_closed_by_somebody"
            ),
            models.Index(
                fields=["closed_at"],
                condition=models.Q(closed_by=None, closed_by_label="Lastgood"),
                name="leg_closed_by_the_machine",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.get_state_display()}"

    @property
    def is_closed(self) -> bool:
        return self.state in {self.State.DONE, self.State.WAIVED, self.State.NOT_APPLICABLE}


class Propagation(models.Model):
    """How long instances took to fetch what a flip made true, measured from what they fetched."""

    activation = models.OneToOneField(Activation, models.CASCADE, related_name="propagation")
    instances = models.PositiveIntegerField(default=0, help_text="Alive when the pointer moved.")
    reached = models.PositiveIntegerField(default=0)
    p50_ms = models.FloatField(null=True)
    p95_ms = models.FloatField(null=True)
    max_ms = models.FloatField(null=True)
    measured_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.reached} of {self.instances}"
