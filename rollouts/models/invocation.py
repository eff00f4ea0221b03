"""What agents did, as their own telemetry tells it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Invocation(models.Model):
    """One span worth judging: a model call, a tool call or an agent run. Partitioned by ``day`` (UTC).

    Referred to by ``(day, id)`` and never by foreign key. Unknown is null, never false or zero. The bundle is
    named by key and number as the span told them, whether or not we hold that version.
    """

    pk = models.CompositePrimaryKey("day", "id")
    day = models.DateField()
    id = models.BigIntegerField()
    at = models.DateTimeField(help_text="When the span began.")
    duration_ms = models.FloatField(null=True)
    received_at = models.DateTimeField()
    trace_id = models.CharField(max_length=32)
    span_id = models.CharField(max_length=16)
    parent_span_id = models.CharField(max_length=16, blank=True)
    name = models.CharField(max_length=200)
    operation = models.CharField(max_length=40, blank=True)
    bundle_key = models.CharField(max_length=201, blank=True)
    version_number = models.PositiveIntegerField(null=True)
    version_label = models.CharField(max_length=64, blank=True)
    environment = models.CharField(max_length=64, blank=True)
    instance = models.CharField(max_length=200, blank=True)
    region = models.CharField(max_length=64, blank=True)
    conversation_id = models.CharField(max_length=200, blank=True)
    provider = models.CharField(max_length=64, blank=True)
    request_model = models.CharField(max_length=200, blank=True)
    response_model = models.CharField(max_length=200, blank=True)
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    cache_read_tokens = models.BigIntegerField(null=True)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, null=True)
    finish_reasons = ArrayField(models.CharField(max_length=64), default=list)
    error_type = models.CharField(max_length=200, blank=True)
    error_message = models.TextField(blank=True)
    failed = models.BooleanField(null=True, help_text="Error status, a failed tool, or a failed evaluation.")
    tool_name = models.CharField(max_length=200, blank=True)
    tool_succeeded = models.BooleanField(null=True)
    refused = models.BooleanField(null=True)
    schema_valid = models.BooleanField(null=True)
    evaluations = models.JSONField(default=dict)
    attributes = models.JSONField(default=dict)

    class Meta:
        # The table is made by SQL in its migration: partitions, and a unique (day, trace_id, span_id).
        indexes = [models.Index(fields=["bundle_key", "environment", "at"], name="invocation_by_bundle")]

    def __str__(self) -> str:
        return f"{self.name} {self.trace_id}"
