"""Where a bundle runs: environments, pointers, and the append-only history of every flip."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from accounts.models import Acted, append_only
from rollouts.models.bundle import Bundle, BundleVersion


class Environment(models.Model):
    """dev, staging or prod. ``epoch`` is bumped in the transaction of every pointer, stop or cohort change."""

    name = models.CharField(max_length=16, primary_key=True)
    position = models.PositiveSmallIntegerField(unique=True)
    epoch = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.name


class Deployment(models.Model):
    """The pointer row of one bundle in one environment.

    ``stack`` holds version numbers, oldest first, the active one last: the versions one could go back to, since
    a rollback takes away what it rolled back from. The last good version is therefore the one below the top.
    ``standing_rollback`` is the rollback that put the active version there, until anything else is activated.
    """

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="deployments")
    environment = models.ForeignKey(Environment, models.PROTECT, related_name="deployments")
    active = models.ForeignKey(BundleVersion, models.PROTECT, null=True, blank=True, related_name="+")
    activated_at = models.DateTimeField(null=True, blank=True)
    stack = ArrayField(models.PositiveIntegerField(), default=list)
    standing_rollback = models.ForeignKey(
        "Rollback", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    warm_hours = models.PositiveIntegerField(default=48, help_text="How long a replaced version stays warm.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bundle", "environment"], name="deployment_once_per_environment"),
            # With a condition it is no key of the row, so that a flip waits for nobody who refers to it (ADR 6).
            models.UniqueConstraint(
                fields=["standing_rollback"],
                condition=models.Q(standing_rollback__isnull=False),
                name="rollback_stands_in_one_deployment",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bundle.key}/{self.environment_id}"


class Activation(Acted):
    """One flip of one pointer. Append-only; carries the tuple of R061 as it stood at that moment."""

    class Kind(models.TextChoices):
        PROMOTION = "promotion"
        ROLLBACK = "rollback"
        ROLL_FORWARD = "roll_forward"

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="activations")
    kind = models.CharField(max_length=12, choices=Kind)
    version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="activations")
    previous = models.ForeignKey(BundleVersion, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    at = models.DateTimeField()
    epoch = models.BigIntegerField()
    duration_ms = models.FloatField(null=True)
    text_digest = models.CharField(max_length=64)
    rollout_state = models.CharField(max_length=16, default="full")
    share_percent = models.FloatField(default=100)
    baseline_id = models.CharField(max_length=100, blank=True)
    cohort_id = models.CharField(max_length=100, blank=True)
    downstream_contract_version = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["deployment", "-id"], name="activation_by_deployment"),
            models.Index(fields=["kind", "at"], name="activation_by_kind"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.kind} of {self.version} in {self.deployment.environment_id}"


class Waiver(Acted):
    """A named person's word for gates without a result: one per promotion, never for a red gate."""

    activation = models.OneToOneField(Activation, models.PROTECT, related_name="waiver")
    gates = ArrayField(models.CharField(max_length=40))
    reason = models.TextField()
    expires_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        triggers = append_only()

    def __str__(self) -> str:
        return f"waiver of {', '.join(self.gates)}"
