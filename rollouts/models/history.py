"""Conversations that hold turns of a version that was taken back, and what becomes of them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Acted, append_only
from rollouts.models.deployment import Deployment
from rollouts.models.rollback import Rollback


class ConversationTreatment(Acted):
    """What a person chose for a cohort of conversations (R067). Append-only; of those that fit, the newest counts.

    ``cohort`` is ``all``, ``active`` or ``idle`` (a turn within half an hour before the flip or after it, or none),
    ``region:<r>`` or ``conversation:<id>``.
    """

    class Treatment(models.TextChoices):
        DRAIN = "drain", "Let it finish, begin nothing new in it"
        PIN = "pin", "Keep it on the version it began with"
        RESET = "reset", "Begin it anew without its history"
        FORCE_NEXT_TURN = "force_next_turn", "Answer its next turn by the good version, history kept"

    rollback = models.ForeignKey(Rollback, models.PROTECT, related_name="treatments")
    cohort = models.CharField(max_length=220)
    treatment = models.CharField(max_length=15, choices=Treatment)
    reason = models.TextField(blank=True)
    conversations = models.PositiveIntegerField(help_text="How many it was chosen for.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(cohort__regex=r"^(all|active|idle|(region|conversation):.+)$"), name="cohort_is_known"
            ),
            models.CheckConstraint(
                condition=Q(treatment__in=["drain", "pin", "reset", "force_next_turn"]), name="treatment_is_known"
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.cohort}: {self.treatment}"


class TaintedConversation(models.Model):
    """One conversation that holds turns of what a rollback took back, as stored telemetry told when it was counted.

    Kept apart from telemetry, which is dropped by day: whoever asks next month is answered all the same.
    """

    rollback = models.ForeignKey(Rollback, models.PROTECT, related_name="conversations")
    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="+", db_index=False)
    conversation_id = models.CharField(max_length=200)
    turns = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    region = models.CharField(max_length=64, blank=True)
    active = models.BooleanField()
    treatment = models.ForeignKey(
        ConversationTreatment, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["rollback", "conversation_id"], name="conversation_tainted_once"),
        ]
        indexes = [
            models.Index(fields=["deployment", "conversation_id"], name="tainted_by_conversation"),
        ]

    def __str__(self) -> str:
        return self.conversation_id
