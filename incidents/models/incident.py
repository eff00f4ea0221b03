"""The incident: every response hangs on it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When

from rollouts.models import Deployment


class Severity(models.TextChoices):
    SEV1 = "SEV1"
    SEV2 = "SEV2"
    SEV3 = "SEV3"
    SEV4 = "SEV4"


class Step(models.TextChoices):
    """Where the work stands: the first step neither closed nor skipped with a reason (CONTRACT §3)."""

    DETECT = "detect"
    TRIAGE = "triage"
    CONTAIN = "contain"
    RESOLVE = "resolve"
    DOCUMENT = "document"
    CLOSED = "closed"


class Status(models.TextChoices):
    """What the outside sees."""

    OPEN = "open"
    CONTAINED = "contained"
    RECOVERED = "recovered"
    RESOLVED = "resolved"
    CLOSED = "closed"


class DetectionSource(models.TextChoices):
    """How it came to light; a closed list."""

    GUARDRAIL = "guardrail", "Guardrail, automatic"
    ALERT = "alert", "Alert"
    DRIFT = "drift", "Drift or pin check"
    OFFLINE_EVAL = "offline_eval", "Offline eval after release"
    CANARY = "canary", "Canary"
    AB_TEST = "ab_test", "A/B test"
    DOWNSTREAM_ERROR = "downstream_error", "Downstream error"
    FINANCE = "finance", "Finance or reconciliation"
    SUPPORT_TICKET = "support_ticket", "Support ticket"
    CUSTOMER_EVAL = "customer_eval", "Customer eval"
    ACCOUNT_TEAM = "account_team", "Account team"
    PUBLIC_POST = "public_post", "Public post"
    EMPLOYEE = "employee", "Employee gut feeling or tester dissent"
    PROVIDER_NOTICE = "provider_notice", "Provider notice"
    REGULATOR = "regulator", "Regulator or court"
    AGENT = "agent", "The agent itself"


class Origin(models.TextChoices):
    """Where the failure came from; a closed list."""

    MODEL_UPDATE = "model_update", "Model update"
    CONSUMER_SCHEMA_CHANGE = "consumer_schema_change", "Consumer schema change"
    INPUT_SHIFT = "input_shift", "Input shift"
    ADVERSARIAL = "adversarial", "Adversarial input"
    PARTIAL_BUNDLE = "partial_bundle", "Partial bundle change"
    ALIAS_DRIFT = "alias_drift", "Alias drift"
    HOT_EDIT = "hot_edit", "Hot edit"
    PROMPT_CHANGE = "prompt_change", "Prompt change"
    RETRIEVAL_CHANGE = "retrieval_change", "Retrieval or index change"
    PARAMETER_CHANGE = "parameter_change", "Parameter or default change"
    SERVING_ROUTE = "serving_route", "Serving route"
    DOWNSTREAM_TOOL = "downstream_tool", "Downstream tool"
    USER_SIDE = "user_side", "User side"
    DATA_CORRUPTION = "data_corruption", "Data corruption"
    PERMISSIONS = "permissions", "Permissions"
    UNKNOWN = "unknown", "Not known yet"


class Diagnosis(models.TextChoices):
    """The diagnosis class of an agent failure, in the order to test them."""

    SPEC_GAP = "spec_gap", "Spec gap"
    MISSING_CAPABILITY = "missing_capability", "Missing capability"
    SCOPE_CREEP = "scope_creep", "Scope creep"
    OVERSIGHT_FAILURE = "oversight_failure", "Oversight failure"
    COMPOUNDING_ERROR = "compounding_error", "Compounding error"
    MODEL_LEVEL = "model_level", "Model level"
    PERCEPTUAL = "perceptual", "Perceptual"
    NOT_THE_AGENT = "not_the_agent", "Not the agent"
    UNKNOWN = "unknown", "Unknown"


class Branch(models.TextChoices):
    """Which way to contain: rollback is preselected only when the version regressed (R034–R037)."""

    VERSION = "version", "Version regressed"
    DATA = "data", "Data corrupted"
    TOOL = "tool", "Downstream tool"
    USER = "user", "User side"


class RollbackAnswer(models.TextChoices):
    """The 30-second question: what would rolling back do? (R032)"""

    STOP_THE_BLEED = "stop_the_bleed", "Stop the bleed"
    NOT_HELP = "not_help", "Not help"
    NOT_SURE = "not_sure", "Not sure"


DETECTED = Q(acknowledged_at__isnull=False)
TRIAGED = Q(triaged_at__isnull=False) | Q(triage_skipped_at__isnull=False)
CONTAINED = Q(contained_at__isnull=False) | Q(containment_waived_at__isnull=False)
RESOLVED = Q(resolved_at__isnull=False)
DOCUMENTED = Q(documented_at__isnull=False) | Q(document_skipped_at__isnull=False)


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> IncidentQuerySet:
        """Not resolved."""
        return self.filter(resolved_at=None)

    def with_alert_count(self) -> IncidentQuerySet:
        """Adds ``alert_count``: distinct alerts."""
        return self.annotate(alert_count=models.Count("alerts", distinct=True))

    def for_lists(self) -> IncidentQuerySet:
        """Everything a row of a list shows, in one query."""
        return self.with_alert_count().select_related("acknowledged_by", "deployment__bundle__agent")


class Incident(models.Model):
    """A harm, or a near miss, caused by an agent."""

    class Kind(models.TextChoices):
        INCIDENT = "incident"
        HAZARD = "hazard"
        DRILL = "drill"

    ref = models.CharField(max_length=20, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.INCIDENT)
    title = models.CharField(max_length=300)
    severity = models.CharField(max_length=4, choices=Severity, default=Severity.SEV3)
    deployment = models.ForeignKey(Deployment, models.PROTECT, null=True, blank=True, related_name="incidents")
    detection_source = models.CharField(max_length=20, choices=DetectionSource, default=DetectionSource.ALERT)
    repeat_of = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="repeats")

    # The header (R001): as sent, null where not sent.
    header_at = models.DateTimeField(null=True, blank=True)
    header_reference = models.CharField(max_length=300, null=True, blank=True)
    header_metric = models.CharField(max_length=200, null=True, blank=True)
    header_comparator = models.CharField(max_length=20, null=True, blank=True)
    header_threshold = models.JSONField(null=True, blank=True, help_text="A number, or the text as sent.")
    header_value = models.JSONField(null=True, blank=True, help_text="A number, or the text as sent.")
    header_window = models.CharField(max_length=60, null=True, blank=True)

    # Triage
    rollback_answer = models.CharField(max_length=16, choices=RollbackAnswer, blank=True)
    branch = models.CharField(max_length=8, choices=Branch, blank=True)
    diagnosis = models.CharField(max_length=20, choices=Diagnosis, default=Diagnosis.UNKNOWN)
    # Resolve
    resolution = models.TextField(blank=True)

    # The steps: times are the truth, step and status follow from them.
    started_at = models.DateTimeField(null=True, blank=True, help_text="When the harm began, as far as known.")
    opened_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True, help_text="First acknowledgement by a person.")
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", help_text="Present holder."
    )
    triaged_at = models.DateTimeField(null=True, blank=True)
    triage_skipped_at = models.DateTimeField(null=True, blank=True)
    triage_skip_reason = models.TextField(blank=True)
    contained_at = models.DateTimeField(null=True, blank=True)
    containment_waived_at = models.DateTimeField(null=True, blank=True)
    containment_waiver_reason = models.TextField(blank=True)
    recovered_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    documented_at = models.DateTimeField(null=True, blank=True)
    document_skipped_at = models.DateTimeField(null=True, blank=True)
    document_skip_reason = models.TextField(blank=True)
    last_sequence = models.PositiveIntegerField(default=0, help_text="Of the timeline; bumped under this row's lock.")
    last_digest = models.CharField(max_length=64, blank=True)

    step = models.GeneratedField(
        expression=Case(
            When(~DETECTED, then=Value("detect")),
            When(~TRIAGED, then=Value("triage")),
            When(~CONTAINED, then=Value("contain")),
            When(~RESOLVED, then=Value("resolve")),
            When(~DOCUMENTED, then=Value("document")),
            default=Value("closed"),
        ),
        output_field=models.CharField(max_length=8, choices=Step),
        db_persist=True,
    )
    status = models.GeneratedField(
        expression=Case(
            When(DETECTED & TRIAGED & CONTAINED & RESOLVED & DOCUMENTED, then=Value("closed")),
            When(RESOLVED, then=Value("resolved")),
            When(recovered_at__isnull=False, then=Value("recovered")),
            When(contained_at__isnull=False, then=Value("contained")),
            default=Value("open"),
        ),
        output_field=models.CharField(max_length=9, choices=Status),
        db_persist=True,
    )

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-pk"]
        indexes = [
            models.Index(fields=["deployment"], condition=Q(resolved_at=None), name="incident_open_by_deployment"),
            models.Index(
                fields=["-resolved_at"], condition=Q(resolved_at__isnull=False), name="incident_newest_resolved"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(resolved_at=None) | Q(containment_waived_at__isnull=False) | Q(contained_at__isnull=False),
                name="incident_resolved_only_after_containment",
            ),
            models.CheckConstraint(
                condition=Q(triage_skipped_at=None) | ~Q(triage_skip_reason=""), name="incident_triage_skip_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(containment_waived_at=None) | ~Q(containment_waiver_reason=""),
                name="incident_containment_waiver_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(document_skipped_at=None) | ~Q(document_skip_reason=""),
                name="incident_document_skip_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at=None) | Q(acknowledged_at__gte=F("opened_at")),
                name="incident_acknowledged_after_opened",
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_by=None) | Q(acknowledged_at__isnull=False),
                name="incident_holder_has_acknowledged",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at=None) | Q(resolved_at__gte=F("opened_at")),
                name="incident_resolved_after_opened",
            ),
            models.CheckConstraint(
                condition=Q(severity__in=[s.value for s in Severity]), name="incident_severity_known"
            ),
            models.CheckConstraint(condition=Q(ref__regex=r"^(INC|DRL)-[0-9]+$"), name="incident_ref_shape"),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def header(self) -> dict[str, Any]:
        """The header of R001; what was not sent is None."""
        names = ("at", "reference", "metric", "comparator", "threshold", "value", "window")
        return {name: getattr(self, f"header_{name}") for name in names}
