"""Evals: the cases that failures left behind, the sets they form, and what a run of a set said of a version."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, Value, When

from accounts import clock
from accounts.models import Acted, DueRow, append_only
from rollouts.models.bundle import Bundle, BundleVersion, GateResult


class EvalSet(models.Model):
    """A named collection of cases that every version of one bundle has to pass, such as ``golden``."""

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="eval_sets")
    name = models.CharField(max_length=64, default="golden")
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["bundle", "name"], name="eval_set_name_once_per_bundle")]

    def __str__(self) -> str:
        return f"{self.bundle.key}:{self.name}"


class RegressionCase(Acted):
    """One input that went wrong once, and how to tell that it went right. Immutable: a better one ``replaces`` it.

    ``check_body`` by ``check_kind``: an assertion is ``{"path", "operator", "value"}``, a schema is the JSON Schema
    the output must satisfy, a rubric is ``{"text"}`` for a judge to apply. ``day``/``trace_id``/``span_id`` name the
    invocation it was made from, ``incident_ref`` the room (opaque to this app), ``bad_version`` the one that failed.
    """

    class Check(models.TextChoices):
        ASSERTION = "assertion", "Assertion"
        JSON_SCHEMA = "json_schema", "JSON Schema"
        RUBRIC = "rubric", "Rubric"

    eval_set = models.ForeignKey(EvalSet, models.PROTECT, related_name="cases")
    key = models.CharField(max_length=100, help_text="What runners and JUnit files call it.")
    title = models.CharField(max_length=300)
    inputs = models.JSONField()
    expected = models.JSONField(null=True, blank=True)
    check_kind = models.CharField(max_length=12, choices=Check)
    check_body = models.JSONField()
    repeats = models.PositiveSmallIntegerField(default=1, help_text="How often a run tries it: n of “k of n”.")
    day = models.DateField(null=True, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    span_id = models.CharField(max_length=16, blank=True)
    incident_ref = models.CharField(max_length=20, blank=True, db_index=True)
    bad_version = models.ForeignKey(BundleVersion, models.PROTECT, null=True, blank=True, related_name="cases_failed")
    replaces = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="replaced_by")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["eval_set", "key"], name="case_key_once_per_set"),
            models.CheckConstraint(condition=Q(repeats__gte=1) & Q(repeats__lte=100), name="case_repeats_in_reason"),
            models.CheckConstraint(condition=Q(key__regex=r"^[A-Za-z0-9._-]{1,100}$"), name="case_key_shape"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return self.key


class EvalSetVersion(Acted):
    """The cases of a set at one moment, by their primary keys: what a run ran. Immutable."""

    eval_set = models.ForeignKey(EvalSet, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    case_ids = ArrayField(models.BigIntegerField())
    digest = models.CharField(max_length=64, help_text="SHA-256 over RFC 8785 JSON of the cases' keys and contents.")
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["eval_set", "number"], name="eval_set_version_number_once")]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.eval_set}@{self.number}"


class EvalRun(DueRow, Acted):
    """One pass of a set (or of ``only``, some of its cases) over one version.

    By ``command`` it is claimed by a worker, which holds it for as long as lines arrive; by ``junit`` it is finished
    when it is filed. Results that are errors of the infrastructure count neither as passed nor as failed.
    """

    class Source(models.TextChoices):
        COMMAND = "command", "Runner"
        JUNIT = "junit", "JUnit upload"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        ERROR = "error", "Error"
        CANCELLED = "cancelled", "Cancelled"

    version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="eval_runs")
    eval_set_version = models.ForeignKey(EvalSetVersion, models.PROTECT, related_name="runs")
    source = models.CharField(max_length=8, choices=Source)
    only = ArrayField(models.BigIntegerField(), null=True, blank=True, help_text="Cases run; empty: the whole set.")
    incident_ref = models.CharField(max_length=20, blank=True, db_index=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True, help_text="When the runner last said something.")
    worker = models.CharField(max_length=100, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    expected_total = models.PositiveIntegerField(default=0, help_text="Results to come: cases times repeats.")
    passed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    errored = models.PositiveIntegerField(default=0)
    garbage_lines = models.PositiveIntegerField(default=0, help_text="Lines of the runner that were no result.")
    raw = models.BinaryField(default=b"", help_text="The uploaded file, or the end of what the runner printed.")
    gate_result = models.OneToOneField(GateResult, models.PROTECT, null=True, blank=True, related_name="eval_run")

    state = models.GeneratedField(
        expression=Case(
            When(cancelled_at__isnull=False, then=Value("cancelled")),
            When(given_up_at__isnull=False, then=Value("error")),
            When(Q(done_at__isnull=False) & Q(failed__gt=0), then=Value("failed")),
            When(
                Q(done_at__isnull=False) & (Q(errored__gt=0) | Q(passed=0) | Q(passed__lt=F("expected_total"))),
                then=Value("error"),
            ),
            When(done_at__isnull=False, then=Value("passed")),
            When(started_at__isnull=False, then=Value("running")),
            default=Value("queued"),
        ),
        output_field=models.CharField(max_length=9, choices=State),
        db_persist=True,
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=Q(cancelled_at=None) | Q(done_at=None), name="eval_run_ends_once"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(done_at=None, given_up_at=None, cancelled_at=None),
                name="eval_run_due",
            ),
            models.Index(fields=["version", "-id"], name="eval_run_by_version"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.eval_set_version} on {self.version}"


class EvalResult(models.Model):
    """What one try of one case said."""

    class Outcome(models.TextChoices):
        PASS = "pass", "Pass"
        FAIL = "fail", "Fail"
        ERROR = "error", "Error"

    run = models.ForeignKey(EvalRun, models.CASCADE, related_name="results")
    case = models.ForeignKey(RegressionCase, models.PROTECT, related_name="results")
    attempt = models.PositiveSmallIntegerField(default=1)
    outcome = models.CharField(max_length=5, choices=Outcome)
    score = models.FloatField(null=True, blank=True)
    ms = models.FloatField(null=True, blank=True)
    output = models.TextField(blank=True)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["case_id", "attempt"]
        constraints = [models.UniqueConstraint(fields=["run", "case", "attempt"], name="eval_result_once_per_try")]

    def __str__(self) -> str:
        return f"{self.case} {self.outcome}"
