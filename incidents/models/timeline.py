"""What happened, in order, never changed: corrections are new rows."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models

from accounts.models import Acted, append_only
from incidents.models.incident import Incident


class TimelineEntry(Acted):
    """One line of an incident's record.

    ``digest`` = SHA-256 over RFC 8785 JSON of the row's content and the previous entry's digest, so a changed,
    missing or reordered row shows. ``source`` names the machine's row an entry tells of, such as
    ``rollback:12``, once per incident.
    """

    class Kind(models.TextChoices):
        OPENED = "opened"
        DECLARED = "declared"
        ALERT = "alert"
        ALERT_RESOLVED = "alert_resolved"
        NOTE = "note"
        CORRECTION = "correction"
        SEVERITY = "severity"
        DUTY = "duty"
        ACKNOWLEDGED = "acknowledged"
        LAPSED = "lapsed"
        TRIAGE = "triage"
        TRIAGED = "triaged"
        SKIPPED = "skipped"
        CONTAINED = "contained"
        ROLLBACK = "rollback"
        LEG = "leg"
        ROLL_FORWARD = "roll_forward"
        STOP = "stop"
        RELEASE = "release"
        PROMOTION = "promotion"
        DEPLOYMENT = "deployment"
        RECOVERED = "recovered"
        FIRING_AGAIN = "firing_again"
        RESOLVED = "resolved"
        DOCUMENTED = "documented"
        REOPENED = "reopened"
        PAGE = "page"
        NOTICE = "notice"
        OWED = "owed"
        CAUSE = "cause"
        CASE = "case"
        EVAL_RUN = "eval_run"
        CHANGE = "change"
        PUBLISHED = "published"
        SIGNED = "signed"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="timeline")
    sequence = models.PositiveIntegerField()
    at = models.DateTimeField(help_text="When it happened.")
    recorded_at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=Kind)
    text = models.TextField()
    data = models.JSONField(default=dict)
    is_key = models.BooleanField(default=True, help_text="Shown by default; machine detail is not.")
    source = models.CharField(max_length=60, blank=True)
    corrects = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="corrections")
    previous_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-sequence"]
        constraints = [
            models.UniqueConstraint(fields=["incident", "sequence"], name="timeline_sequence_once"),
            models.UniqueConstraint(
                fields=["incident", "source"], condition=~models.Q(source=""), name="timeline_source_once"
            ),
        ]
        indexes = [
            GinIndex(
                SearchVector("text", config="simple"), condition=models.Q(kind="note"), name="timeline_words_of_notes"
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.incident} #{self.sequence}"


class MachineMove(models.Model):
    """A row of the machine (rollback, stop …) that the record has dealt with; the sweep looks for those it has not."""

    kind = models.CharField(max_length=16)
    object_id = models.BigIntegerField()
    incident = models.ForeignKey(Incident, models.PROTECT, null=True, blank=True, related_name="machine_moves")
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "object_id"], name="machine_move_recorded_once")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.object_id}"
