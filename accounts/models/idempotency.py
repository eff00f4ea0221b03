"""What was answered to a request that may be sent again."""

from __future__ import annotations

from django.db import models

from accounts import clock


class IdempotencyKey(models.Model):
    """One key of one caller: the same request again gets the same answer, another request is refused."""

    caller = models.CharField(max_length=80, help_text="user:<id>, token:<id> or session:<id>.")
    key = models.CharField(max_length=100)
    request_digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=clock.now)
    answered_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.BinaryField(default=b"")
    content_type = models.CharField(max_length=100, default="application/json")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="idempotency_key_once_per_caller")]

    def __str__(self) -> str:
        return f"{self.caller} {self.key}"
