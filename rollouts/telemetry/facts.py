"""What triage may ask and what it gets: plain, frozen answers. Shares and rates are 0 to 1; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db import models

#: Fewer good runs than this are no baseline to compare bad ones with.
BASELINE_RUNS = 50


@dataclass(frozen=True, slots=True)
class Window:
    """What one bundle did in one environment from ``since`` until before ``until``."""

    bundle_key: str
    environment: str
    since: datetime
    until: datetime


class Dimension(models.TextChoices):
    """What runs can share. The last three are symptoms: how a run failed rather than why."""

    TOOL = "tool"
    REGION = "region"
    INSTANCE = "instance"
    VERSION = "version"
    MODEL = "model"
    ERROR_TYPE = "error_type"
    FINISH_REASON = "finish_reason"
    SCHEMA_VALID = "schema_valid"


SYMPTOMS = frozenset({Dimension.ERROR_TYPE, Dimension.FINISH_REASON, Dimension.SCHEMA_VALID})


@dataclass(frozen=True, slots=True)
class FailureSummary:
    """Runs in the window: a run is one task (trace) of the agent, however many calls it took."""

    total_runs: int
    failed_runs: int
    refused_runs: int
    schema_checked_runs: int
    schema_valid_runs: int

    @property
    def failed_share(self) -> float | None:
        return self.failed_runs / self.total_runs if self.total_runs else None

    @property
    def schema_valid_share(self) -> float | None:
        return self.schema_valid_runs / self.schema_checked_runs if self.schema_checked_runs else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One run, and the call in it to look at first: ``(day, invocation_id)`` is its evidence, None if dropped."""

    day: date
    trace_id: str
    span_id: str
    invocation_id: int | None
    at: datetime
    failed: bool
    version_number: int | None
    version_label: str
    instance: str
    region: str
    model: str
    tools: tuple[str, ...]
    error_type: str
    error_message: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """Where the trouble began. When failures ``rose`` within the window it is the first bad run of the rise, with
    the rates before and since; otherwise simply the earliest bad run."""

    run: Sample
    rose: bool
    share_before: float | None
    share_since: float | None

    @property
    def at(self) -> datetime:
        return self.run.at


@dataclass(frozen=True, slots=True)
class Overview:
    """The answers that one reading of the window gives together: cheaper than asking one by one."""

    summary: FailureSummary
    series: tuple[Bucket, ...]
    first_failure: FirstFailure | None
    harm: HarmRate


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that bad runs have more often than good ones; ``gap`` = bad share − good share."""

    dimension: Dimension
    value: str
    bad_runs: int
    good_runs: int
    bad_share: float
    good_share: float

    @property
    def gap(self) -> float:
        return self.bad_share - self.good_share

    @property
    def symptom(self) -> bool:
        return self.dimension in SYMPTOMS


@dataclass(frozen=True, slots=True)
class Shared:
    """What bad runs share: causes first, then symptoms, each by falling gap.

    ``bad_runs`` and ``good_runs`` are those compared: all of them, or an even sample of a window that has very many.
    """

    bad_runs: int
    good_runs: int
    differences: tuple[Difference, ...]

    @property
    def has_baseline(self) -> bool:
        return self.good_runs >= BASELINE_RUNS


@dataclass(frozen=True, slots=True)
class FailurePattern:
    """Bad runs that failed alike. ``message`` has numbers and ids replaced by ``#``."""

    error_type: str
    message: str
    runs: int
    share_of_failures: float
    first_at: datetime
    last_at: datetime
    example: Sample


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a series, from ``at``."""

    at: datetime
    total_runs: int
    failed_runs: int

    @property
    def failed_share(self) -> float | None:
        return self.failed_runs / self.total_runs if self.total_runs else None


@dataclass(frozen=True, slots=True)
class HarmRate:
    """Bad runs per minute: at first, at their worst, and now (over the last whole steps)."""

    per_minute_before: float
    per_minute_peak: float
    per_minute_now: float
    still_rising: bool
    series: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """Who saw a version: ``share_of_runs`` of the window, since when."""

    number: int | None
    label: str
    runs: int
    failed_runs: int
    conversations: int
    share_of_runs: float
    first_at: datetime
    last_at: datetime

    @property
    def failed_share(self) -> float:
        return self.failed_runs / self.runs


@dataclass(frozen=True, slots=True)
class Party:
    """An agent that runs the bundle, or a system that takes what it makes: how often, and how often in trouble."""

    name: str
    total: int
    failed: int


@dataclass(frozen=True, slots=True)
class Reach:
    """Who depends on one bundle, and who consumes it, most trouble first (R029, R030)."""

    agents: tuple[Party, ...]
    consumers: tuple[Party, ...]

    @property
    def one_agent(self) -> bool:
        """Whether it is one agent's own prompt rather than one that several share."""
        return len(self.agents) < 2


class ChangeKind(models.TextChoices):
    """What can have changed before a run went bad."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    ROLL_FORWARD = "roll_forward"
    STOP = "stop"
    RELEASE = "release"
    GATE = "gate"
    MODEL = "model"
    DRIFT = "drift"  # something else ran than the pointer says
    TOLD = "told"  # by others: a deploy, a flag, a migration


@dataclass(frozen=True, slots=True)
class Change:
    """Something that changed ``minutes_before`` the moment asked about; nearest first.

    ``parts`` are those that differ between the two versions (prompt, model, tools, …). ``pk`` is of the row behind
    it: an Activation, Stop, GateResult, Drift or what others told of; None for a model that the provider changed,
    which only telemetry shows.
    """

    at: datetime
    minutes_before: float
    kind: ChangeKind
    bundle_key: str
    sentence: str
    actor_label: str
    actor_kind: str
    from_label: str
    to_label: str
    parts: tuple[str, ...]
    same_bundle: bool
    pk: int | None


@dataclass(frozen=True, slots=True)
class RollbackWould:
    """Facts for "what would rolling back do?" (R032). They advise; a person decides.

    ``advice`` ∈ stop_the_bleed, not_help, not_sure. Rates are of runs in the window: under the active version and
    under the one a rollback goes to; ``before`` is whatever ran before the active version, within the window.
    """

    active_label: str
    target_label: str
    active_since: datetime | None
    active_runs: int
    active_failed_runs: int
    target_runs: int
    target_failed_runs: int
    parts_reverted: tuple[str, ...]
    suspect: str
    suspect_reverted: bool | None
    advice: str
    sentence: str

    @property
    def active_failed_share(self) -> float | None:
        return self.active_failed_runs / self.active_runs if self.active_runs else None

    @property
    def target_failed_share(self) -> float | None:
        return self.target_failed_runs / self.target_runs if self.target_runs else None
