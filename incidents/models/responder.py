"""People in an incident: duties, acknowledgements, and who is on call."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Team
from incidents.models.incident import Incident


class Responder(models.Model):
    """One person holding one duty in one incident, from then until then."""

    class Duty(models.TextChoices):
        COMMANDER = "commander"
        OPERATIONS = "operations"
        COMMS = "comms"
        SCRIBE = "scribe"

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="responders")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="duties")
    duty = models.CharField(max_length=10, choices=Duty)
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "duty"], condition=Q(to_at=None), name="one_holder_per_duty"),
            models.CheckConstraint(condition=Q(to_at=None) | Q(to_at__gte=F("from_at")), name="duty_ends_after_start"),
        ]

    def __str__(self) -> str:
        return f"{self.duty} {self.user}"


class Acknowledgement(models.Model):
    """A person said "I have it". ``lapsed_at`` when it no longer counts."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="acknowledgements")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField()
    surface = models.CharField(max_length=8)
    lapsed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.user} has {self.incident}"


class AcknowledgeLink(models.Model):
    """One person, one incident, 30 minutes: opening it shows, pressing its button acknowledges."""

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"acknowledge link of {self.user} for {self.incident}"


class OnCall(models.Model):
    """Who is on call, for a team or (team empty) for everything without one."""

    team = models.ForeignKey(Team, models.CASCADE, null=True, blank=True, related_name="on_call")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="on_call")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["from_at"]
        constraints = [
            models.CheckConstraint(condition=Q(to_at=None) | Q(to_at__gt=F("from_at")), name="on_call_ends_after_start")
        ]

    def __str__(self) -> str:
        return f"{self.user} on call"
