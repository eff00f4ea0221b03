"""What agents did, as their own telemetry tells it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, Value, When


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


class AgentRun(models.Model):
    """One task an agent was given: what the spans of one trace say together about one bundle. Partitioned by ``day``.

    Folded from the invocations as they arrive, so that triage counts runs by reading one narrow row for each.
    ``said_failed`` is the verdict of the span that is the whole run, ``part_failed`` that any model or tool call in
    it failed, ``judged_failed`` that an evaluation (or the bundle's own schema) found it wrong. ``span_id`` is the
    one to look at first: the earliest that failed, else the earliest.
    """

    pk = models.CompositePrimaryKey("day", "trace_id", "bundle_key")
    day = models.DateField()
    trace_id = models.CharField(max_length=32)
    bundle_key = models.CharField(max_length=201)
    environment = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(help_text="When its first span began.")
    span_id = models.CharField(max_length=16)
    said_failed = models.BooleanField(null=True)
    part_failed = models.BooleanField(default=False)
    judged_failed = models.BooleanField(default=False)
    failed = models.GeneratedField(
        expression=Case(
            When(judged_failed=True, then=Value(True)),
            When(said_failed__isnull=False, then=F("said_failed")),
            default=F("part_failed"),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    version_number = models.PositiveIntegerField(null=True)
    version_label = models.CharField(max_length=64, blank=True)
    instance = models.CharField(max_length=200, blank=True)
    region = models.CharField(max_length=64, blank=True)
    conversation_id = models.CharField(max_length=200, blank=True)
    request_model = models.CharField(max_length=200, blank=True)
    response_model = models.CharField(max_length=200, blank=True)
    error_type = models.CharField(max_length=200, blank=True)
    error_message = models.CharField(max_length=300, blank=True)
    finish_reason = models.CharField(max_length=64, blank=True)
    tools = ArrayField(models.CharField(max_length=200), default=list)
    failed_tools = ArrayField(models.CharField(max_length=200), default=list)
    schema_valid = models.BooleanField(null=True)
    refused = models.BooleanField(null=True)

    class Meta:
        # The table is made by SQL in its migration: partitions, as for Invocation.
        indexes = [
            models.Index(fields=["bundle_key", "environment", "at"], name="agent_run_by_bundle"),
            models.Index(
                fields=["bundle_key", "environment", "at"], condition=Q(failed=True), name="agent_run_failures"
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.trace_id} of {self.bundle_key}"
