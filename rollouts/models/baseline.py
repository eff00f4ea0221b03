"""What later versions are compared with."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from accounts.models import Acted
from rollouts.models.bundle import Bundle, BundleVersion


class EvalBaseline(Acted):
    """The version whose results grade the next change of a bundle, by one eval set, until another is adopted (R068).

    ``pinned``: a person holds it there on purpose.
    """

    bundle = models.ForeignKey(Bundle, models.PROTECT, related_name="baselines")
    eval_set = models.CharField(max_length=64)
    version = models.ForeignKey(BundleVersion, models.PROTECT, related_name="+")
    pinned = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    adopted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["bundle", "eval_set"], condition=Q(ended_at=None), name="one_baseline_per_eval_set"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bundle.key} {self.eval_set}: {self.version.label}"
