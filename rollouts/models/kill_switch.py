"""Stopping without a deploy: kill switches never expire, their engagements are kept."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from accounts.models import Acted, never_deleted
from rollouts.damage import latency
from rollouts.models.deployment import Deployment

#: Whoever has not acted for so long has stopped: telemetry comes in batches.
QUIET = timedelta(seconds=45)
RATES = ("actions_per_second", "calls_per_second", "usd_per_second", "messages_per_second")


def _not_negative(*fields: str) -> Q:
    condition = Q()
    for field in fields:
        condition &= Q(**{field: None}) | Q(**{f"{field}__gte": 0, f"{field}__lt": float("inf")})
    return condition


class KillSwitch(models.Model):
    """One scope of one deployment that can be stopped: whole, writes, region:…, tool:… or cohort:…

    A standing thing of its own, apart from whatever launched the agent (R081): it never expires and is never deleted.
    The rates are the damage done while nobody stops a harm; ``blast_seconds`` is when the damage is done. What the
    address of the off-state said when it was last asked is ``probe_…``; unknown is null.
    """

    deployment = models.ForeignKey(Deployment, models.PROTECT, related_name="kill_switches")
    scope = models.CharField(max_length=120)
    fallback = models.TextField(blank=True, help_text="What customers get instead: the usable path without the agent.")
    off_state_url = models.CharField(max_length=500, blank=True, default="", db_default="")
    actions_per_second = models.FloatField(null=True, blank=True)
    calls_per_second = models.FloatField(null=True, blank=True)
    usd_per_second = models.FloatField(null=True, blank=True)
    messages_per_second = models.FloatField(null=True, blank=True)
    latency_budget_seconds = models.FloatField(null=True, blank=True)
    blast_seconds = models.FloatField(null=True, blank=True)
    probed_at = models.DateTimeField(null=True, blank=True)
    probe_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Null: there was no answer.")
    probe_ms = models.FloatField(null=True, blank=True)
    probe_problem = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "scope"], name="kill_switch_once_per_scope"),
            models.CheckConstraint(
                condition=Q(scope__regex=r"^(whole|writes|(region|tool|cohort):.+)$"), name="kill_switch_scope_known"
            ),
            models.CheckConstraint(condition=_not_negative(*RATES), name="kill_switch_rates_are_amounts"),
            models.CheckConstraint(
                condition=_not_negative("latency_budget_seconds", "blast_seconds"), name="kill_switch_times_are_amounts"
            ),
        ]
        triggers = never_deleted("a kill switch never expires; stop and release it instead")

    def __str__(self) -> str:
        return f"{self.deployment} {self.scope}"

    @property
    def rates(self) -> dict[str, float | None]:
        """The damage per second by unit, as ``rollouts.damage`` takes it."""
        return {name: getattr(self, name) for name in RATES}


class Stop(Acted):
    """One engagement of a kill switch, until a person releases it.

    ``wrong_share_percent`` and ``right_share_percent`` (of all answers) are what a stop of the whole agent owes a
    reason with (R090). The restore plan (R091) is written after the press: by what criteria it may act again.
    """

    kill_switch = models.ForeignKey(KillSwitch, models.PROTECT, related_name="stops")
    reason = models.TextField(blank=True)
    fallback = models.TextField(blank=True)
    pressed_in = models.CharField(max_length=32, blank=True)
    decided_at = models.DateTimeField()
    engaged_at = models.DateTimeField()
    committed_ms = models.FloatField()
    epoch = models.BigIntegerField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    release_reason = models.TextField(blank=True)
    wrong_share_percent = models.FloatField(null=True, blank=True)
    right_share_percent = models.FloatField(null=True, blank=True)
    wide_reason = models.TextField(blank=True, default="", db_default="")
    reasoned_at = models.DateTimeField(null=True, blank=True)
    reasoned_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")
    restore_criteria = models.TextField(blank=True, default="", db_default="")
    restore_expected_on = models.DateField(null=True, blank=True)
    restore_planned_at = models.DateTimeField(null=True, blank=True)
    restore_planned_by = models.ForeignKey("accounts.User", models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kill_switch"], condition=Q(released_at=None), name="one_open_stop_per_kill_switch"
            ),
            models.CheckConstraint(
                condition=Q(released_at=None) | Q(released_by__isnull=False), name="stop_released_by_a_person"
            ),
            models.CheckConstraint(
                condition=Q(reasoned_at=None)
                | Q(
                    reasoned_by__isnull=False,
                    wrong_share_percent__isnull=False,
                    right_share_percent__isnull=False,
                    wrong_share_percent__range=(0, 100),
                    right_share_percent__range=(0, 100),
                ),
                name="wide_stop_compares_shares",
            ),
            models.CheckConstraint(
                condition=Q(restore_planned_at=None) | (~Q(restore_criteria="") & Q(restore_planned_by__isnull=False)),
                name="restore_plan_has_criteria_and_a_person",
            ),
        ]
        indexes = [
            models.Index(fields=["engaged_at"], name="stop_by_time"),
            models.Index(fields=["released_at"], condition=Q(released_at__isnull=False), name="stop_by_release"),
            models.Index(fields=["reasoned_at"], condition=Q(reasoned_at__isnull=False), name="stop_by_reason"),
        ]
        triggers = never_deleted("a stop is part of the record")

    def __str__(self) -> str:
        return f"stop of {self.kill_switch}"

    @property
    def owes_comparison(self) -> bool:
        """Whether the whole agent was stopped and nobody has said yet why that was no larger than the harm."""
        return self.kill_switch.scope == "whole" and self.reasoned_at is None


class Containment(models.Model):
    """How long instances took to fetch a stop, and whether anything acted after it: from what they fetched and did.

    ``acts_after`` counts model and tool calls in the stop's scope that began after it; ``late_acts`` those more than
    a minute after. Null where telemetry cannot tell (a cohort), or nobody has looked yet.
    """

    stop = models.OneToOneField(Stop, models.CASCADE, related_name="containment")
    instances = models.PositiveIntegerField(default=0, help_text="Heard of before the stop.")
    reached = models.PositiveIntegerField(default=0)
    p50_ms = models.FloatField(null=True)
    p95_ms = models.FloatField(null=True)
    max_ms = models.FloatField(null=True)
    measured_at = models.DateTimeField()
    acts_after = models.PositiveIntegerField(null=True)
    late_acts = models.PositiveIntegerField(null=True)
    acting_instances = models.PositiveIntegerField(null=True)
    last_act_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True, help_text="When telemetry was last asked.")

    def __str__(self) -> str:
        return f"{self.reached} of {self.instances}"

    @property
    def is_complete(self) -> bool:
        """Whether everybody who was expected has fetched it."""
        return 0 < self.instances <= self.reached

    def goes_on(self, at: datetime) -> bool:
        """Whether something still acted, more than a minute after the stop, when it was last told of."""
        return bool(self.late_acts and self.last_act_at and at - self.last_act_at < QUIET)

    @property
    def took(self) -> str:
        """``seconds`` in words; empty while there are none."""
        return latency(self.seconds) if self.seconds is not None else ""

    @property
    def seconds(self) -> float | None:
        """From the decision until nothing acted any more; None while somebody is still waited for, or nobody is known.

        What fetched last and what acted last, whichever was later: an agent that has heard and goes on is not stopped.
        """
        stop = self.stop
        ends = []
        if self.is_complete and self.max_ms is not None:
            ends.append(self.max_ms / 1000)
        if self.last_act_at is not None and (self.is_complete or not self.instances):
            ends.append((self.last_act_at - stop.engaged_at).total_seconds())
        if not ends:
            return None
        return (stop.engaged_at - stop.decided_at).total_seconds() + max(*ends, 0.0)


class StopFetch(models.Model):
    """When one instance first fetched one stop. ``previous_seen_at`` is when it was last heard before; null: never."""

    stop = models.ForeignKey(Stop, models.CASCADE, related_name="fetches")
    name = models.CharField(max_length=200)
    region = models.CharField(max_length=64, blank=True)
    fetched_at = models.DateTimeField()
    previous_seen_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["fetched_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["stop", "name"], name="stop_fetched_once_per_instance")]

    def __str__(self) -> str:
        return f"{self.name} fetched {self.stop}"
