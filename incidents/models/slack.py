"""What we know of Slack: who is who there, what it sent us, and the card we keep for each incident."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q, Value

from accounts.models import DueRow
from incidents.models.incident import Incident


class SlackIdentity(models.Model):
    """A Slack user who is one of our people. Linked by an admin, or by the person from a link of their own."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="slack")
    team_id = models.CharField(max_length=20)
    slack_user_id = models.CharField(max_length=20)
    linked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team_id", "slack_user_id"], name="slack_user_is_one_person")]

    def __str__(self) -> str:
        return f"{self.slack_user_id} is {self.user}"


class SlackDelivery(DueRow):
    """One request of Slack, kept once by its own identity and worked after it was acknowledged.

    ``key``: the event id, the trigger id of a command or a press, or the view's id and hash.
    """

    class Kind(models.TextChoices):
        COMMAND = "command"
        INTERACTION = "interaction"
        EVENT = "event"

    key = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=11, choices=Kind)
    payload = models.JSONField()
    received_at = models.DateTimeField()
    repeats = models.PositiveIntegerField(default=0, help_text="How often Slack sent it again.")
    outcome = models.TextField(blank=True, help_text="The answer, once the act is done; said again until it is taken.")
    to_channel = models.BooleanField(default=False, db_default=False, help_text="Whether everybody sees the answer.")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(done_at=None, given_up_at=None), name="slack_delivery_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class SlackCard(DueRow):
    """The one root card of an incident in one channel, edited in place: due again whenever the incident moves on."""

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="slack_card")
    channel = models.CharField(max_length=20)
    ts = models.CharField(max_length=32, blank=True, help_text="Slack's name of the message; blank until posted.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of what it shows, so that nothing is sent twice.")
    told_sequence = models.PositiveIntegerField(default=0, help_text="The timeline entry its thread has been told of.")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=Q(done_at=None, given_up_at=None), name="slack_card_due"),
        ]

    def __str__(self) -> str:
        return f"card of {self.incident}"


class SlackHealth(models.Model):
    """Whether Slack answers: one row. ``unreachable_since`` is shown in every room until it does again.

    ``pauses`` says until when Slack wants to be left alone, by method of its Web API.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    answered_at = models.DateTimeField(null=True, blank=True)
    unreachable_since = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    probed_at = models.DateTimeField(null=True, blank=True)
    pauses = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="slack_health_is_one_row")]

    def __str__(self) -> str:
        return "Slack"
