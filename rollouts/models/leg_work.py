"""A leg's machine work: what is to be looked at, what is asked of whom, and what came of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Case, Q, Value, When

from accounts.models import Acted, DueRow, append_only
from rollouts.models.connector import Connector
from rollouts.models.rollback import RollbackLeg


class LegWork(DueRow):
    """That the machine looks at one leg: counts, forecasts, and plans what its connectors do. Done once it has looked.

    Not written by the press: the clock makes it for every rollback it finds without, so that a flip stays as short.
    """

    leg = models.OneToOneField(RollbackLeg, models.PROTECT, related_name="work")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(done_at=None, given_up_at=None), name="leg_work_due"),
        ]

    def __str__(self) -> str:
        return f"look at {self.leg}"


class LegStep(DueRow):
    """One thing that one connector does for one leg; ``about`` tells several apart, such as ``treatment:7``.

    ``sent_at`` is written before anything leaves, ``done_at`` after the answer is kept: a step with the first alone
    was sent by somebody who died. ``blocked_at``: nothing goes on until a person changes something or says so.
    ``dropped_at``: the leg was closed, or the rollback taken back, before it was done.
    """

    class State(models.TextChoices):
        OPEN = "open", "Not begun"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        BLOCKED = "blocked", "Blocked"
        DROPPED = "dropped", "Dropped"

    leg = models.ForeignKey(RollbackLeg, models.PROTECT, related_name="steps")
    connector = models.ForeignKey(Connector, models.PROTECT, related_name="steps")
    about = models.CharField(max_length=60, blank=True)
    verb = models.CharField(max_length=200, help_text="What it does, in its platform's own words.")
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    blocked_at = models.DateTimeField(null=True, blank=True)
    dropped_at = models.DateTimeField(null=True, blank=True)
    progress = models.JSONField(default=dict, help_text="How far it has got; survives whoever was at it.")
    count = models.BigIntegerField(null=True, blank=True, help_text="How many things it dealt with; null: not said.")
    answer = models.TextField(blank=True)

    state = models.GeneratedField(
        expression=Case(
            When(done_at__isnull=False, then=Value("done")),
            When(dropped_at__isnull=False, then=Value("dropped")),
            When(given_up_at__isnull=False, then=Value("failed")),
            When(blocked_at__isnull=False, then=Value("blocked")),
            When(attempts__gt=0, then=Value("running")),
            default=Value("open"),
        ),
        output_field=models.CharField(max_length=7, choices=State),
        db_persist=True,
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["leg", "connector", "about"], name="leg_step_once"),
            models.CheckConstraint(condition=Q(done_at=None) | Q(dropped_at=None), name="leg_step_ends_once"),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(done_at=None, given_up_at=None, blocked_at=None, dropped_at=None),
                name="leg_step_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connector} for {self.leg}"


class LegEvidence(models.Model):
    """What was asked, counted or answered about a leg, when, by what. Append-only.

    ``count`` is the number the sentence is about, ``source`` where it comes from; ``took_ms`` how long it took.
    """

    class Kind(models.TextChoices):
        COUNT = "count", "Counted"
        FORECAST = "forecast", "Forecast"
        ASKED = "asked", "Asked"
        ANSWERED = "answered", "Answered"
        FAILED = "failed", "Failed"
        GAVE_UP = "gave_up", "Gave up"
        BLOCKED = "blocked", "Blocked"
        DROPPED = "dropped", "Dropped"
        RETRIED = "retried", "Retried"
        DECIDED = "decided", "Decided"
        VERIFIED = "verified", "Verified"

    leg = models.ForeignKey(RollbackLeg, models.PROTECT, related_name="evidence")
    step = models.ForeignKey(LegStep, models.PROTECT, null=True, blank=True, related_name="evidence")
    at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.TextField()
    data = models.JSONField(default=dict)
    count = models.BigIntegerField(null=True, blank=True)
    took_ms = models.FloatField(null=True, blank=True)
    source = models.CharField(max_length=200, blank=True)
    by = models.CharField(max_length=100, blank=True, help_text="Who or what wrote it.")

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["at"], condition=Q(kind__in=["gave_up", "blocked"]), name="leg_evidence_of_trouble"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return self.text


class LegDecision(Acted):
    """What a person chose for one subject of a leg: ``revert_parser`` for a consumer, ``pin`` for a baseline.

    Append-only; the newest of a subject counts.
    """

    leg = models.ForeignKey(RollbackLeg, models.PROTECT, related_name="decisions")
    subject = models.CharField(max_length=200)
    choice = models.CharField(max_length=20)
    note = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.subject}: {self.choice}"
