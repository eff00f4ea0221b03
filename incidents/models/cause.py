"""Why it happened, as rows: each cause leaves at least one case, or a reason why it cannot."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.db.models import Q

from accounts.models import Acted
from incidents.models.incident import Incident, Origin
from rollouts.models import RegressionCase


class Confidence(models.TextChoices):
    """How sure the team is, after the GMF taxonomy of the AI Incident Database."""

    KNOWN = "known", "Known"
    LIKELY = "likely", "Likely"
    POSSIBLE = "possible", "Possible"


class CauseQuerySet(models.QuerySet["Cause"]):
    def live(self) -> CauseQuerySet:
        """Not withdrawn."""
        return self.filter(withdrawn_at=None)

    def without_case(self) -> CauseQuerySet:
        """Those that no case covers; a case that a better one replaced covers nothing any longer."""
        standing = RegressionCase.objects.filter(causes=models.OuterRef("pk"), replaced_by=None)
        return self.filter(~models.Exists(standing))


class Cause(Acted):
    """One origin of the failure, with how sure we are of it; withdrawn rather than deleted.

    It leaves at least one case, or a person's ``no_case_reason``. ``proof_waived_reason``: why a person goes on
    although its cases were not seen to fail on the bad version and pass on the fix.
    """

    incident = models.ForeignKey(Incident, models.PROTECT, related_name="causes")
    origin = models.CharField(max_length=24, choices=Origin)
    confidence = models.CharField(max_length=8, choices=Confidence)
    note = models.TextField(blank=True)
    at = models.DateTimeField()
    no_case_reason = models.TextField(blank=True, help_text="Why no case can be made for it.")
    no_case_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    proof_waived_reason = models.TextField(blank=True, help_text="Why its cases need no proof.")
    proof_waived_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    cases: models.ManyToManyField[RegressionCase, models.Model] = models.ManyToManyField(
        RegressionCase, related_name="causes", blank=True
    )

    objects = CauseQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "origin"], condition=Q(withdrawn_at=None), name="cause_once_per_origin"
            ),
            models.CheckConstraint(
                condition=Q(no_case_reason="") | Q(no_case_by__isnull=False), name="no_case_is_said_by_a_person"
            ),
            models.CheckConstraint(
                condition=Q(proof_waived_reason="") | Q(proof_waived_by__isnull=False),
                name="proof_is_waived_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_origin_display()} ({self.get_confidence_display().lower()})"


def surest_first(causes: Iterable[Cause]) -> list[Cause]:
    """Known before likely before possible, then the oldest; what is not known yet stands last."""
    rank = list(Confidence.values)
    return sorted(causes, key=lambda each: (each.origin == Origin.UNKNOWN, rank.index(each.confidence), each.pk))
