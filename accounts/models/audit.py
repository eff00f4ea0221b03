"""Who did what, from where: one append-only, hash-chained log for the whole site."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.actors import ActorKind, Surface
from accounts.models.triggers import append_only


class AuditEntry(models.Model):
    """One act. ``digest`` = SHA-256 over RFC 8785 JSON of the row and the previous row's digest."""

    sequence = models.BigIntegerField(unique=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=10, choices=ActorKind)
    actor_label = models.CharField(max_length=100)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    surface = models.CharField(max_length=8, choices=Surface)
    verb = models.CharField(max_length=40)
    subject = models.CharField(max_length=300, help_text="What was acted on, such as customer-service/prod.")
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    previous_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-sequence"]
        indexes = [models.Index(fields=["subject", "-sequence"], name="audit_by_subject")]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.actor_label} {self.verb} {self.subject}"
