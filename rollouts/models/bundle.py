"""Bundles and their immutable versions."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTextTransform

from accounts.models import Acted, append_only
from rollouts.models.agent import Agent


class Bundle(models.Model):
    """One line of versions of one agent variant; ``key`` is ``agent`` or ``agent.variant`` (CONTRACT §1)."""

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="bundles")
    variant = models.CharField(max_length=100, default="default")
    key = models.CharField(max_length=201, unique=True)
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "variant"], name="bundle_variant_once_per_agent")]

    def __str__(self) -> str:
        return self.key


class BundleVersion(Acted):
    """Prompt, pinned model, tool schemas and everything else that moves behaviour: one immutable version.

    ``digest`` is SHA-256 over RFC 8785 JSON of the pushed body without its label; ``behaviour_digest`` leaves
    the metadata out too, so two versions with equal ones behave alike. ``part_digests`` has one per part.
    """

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    label = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    behaviour_digest = models.CharField(max_length=64)
    part_digests = models.JSONField()
    body = models.JSONField(help_text="The pushed body, without its label.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["bundle", "number"], name="version_number_once_per_bundle"),
            models.UniqueConstraint(fields=["bundle", "label"], name="version_label_once_per_bundle"),
            models.CheckConstraint(
                condition=models.Q(label__regex=r"^[A-Za-z0-9._-]{1,64}$") & ~models.Q(label__regex=r"^[0-9]+$"),
                name="version_label_is_not_a_number",
            ),
        ]
        indexes = [
            models.Index(fields=["bundle", "digest"], name="version_by_digest"),
            models.Index(KeyTextTransform("prompt", "part_digests"), name="version_by_prompt"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.bundle.key}@{self.label}"

    def as_json(self) -> dict[str, Any]:
        """``{"number", "label", "digest"}``: a version wherever it appears (CONTRACT §1)."""
        return {"number": self.number, "label": self.label, "digest": self.digest}

    @property
    def metadata(self) -> dict[str, Any]:
        value = self.body.get("metadata")
        return value if isinstance(value, dict) else {}


class GateResult(Acted):
    """What a gate said of a version: green or red; the newest result of a gate counts."""

    class State(models.TextChoices):
        GREEN = "green"
        RED = "red"

    version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="gate_results")
    gate = models.CharField(max_length=40)
    state = models.CharField(max_length=5, choices=State)
    detail = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(gate="diff") | models.Q(actor_kind="person"), name="diff_sign_off_is_a_persons"
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.gate} {self.state}"
