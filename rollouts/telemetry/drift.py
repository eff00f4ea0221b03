"""What stored telemetry shows running that should not: another model, another version (R015, R018, R079)."""

# ruff: noqa: S608 (what is put into the statement are expressions of this package)
from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts import clock
from rollouts.models import Activation, BundleVersion, Deployment, Drift, DriftWatch, Instance
from rollouts.operations.drift import Sighting, note
from rollouts.snapshots import is_pinned, is_same
from rollouts.telemetry.facts import Window
from rollouts.telemetry.postgres import OF_ONE_ENVIRONMENT, WITHIN, parameters, rows_of

EVERY = timedelta(seconds=60)
#: Runs are looked at this long after they began: senders batch, and what comes later still is not counted.
LATE = timedelta(seconds=60)
#: What one look reads at most; after an outage of the clock the rest follows at once.
MOST = timedelta(hours=6)
#: A deployment watched for the first time is looked at so far back.
BEGINNING = timedelta(hours=1)
#: After a flip the version before may still run for so long: instances poll, and work in flight is finished.
SETTLES = timedelta(minutes=10)

STATEMENT = f"""
    SELECT version_number, version_label, request_model, response_model, min(at), max(at), count(*),
        min(at) FILTER (WHERE at > %(settled)s), count(*) FILTER (WHERE at > %(settled)s),
        (array_agg(day ORDER BY at DESC))[1], (array_agg(trace_id ORDER BY at DESC))[1]
    FROM rollouts_agentrun WHERE {WITHIN} GROUP BY 1, 2, 3, 4 ORDER BY 5 LIMIT 500"""
SERVED_BEFORE = f"""
    SELECT found.response_model FROM unnest(%(environments)s::text[]) AS told(environment), LATERAL (
        SELECT at, response_model FROM rollouts_agentrun
        WHERE {OF_ONE_ENVIRONMENT} AND request_model = %(asked)s AND response_model <> '' ORDER BY at DESC LIMIT 1
    ) AS found ORDER BY found.at DESC LIMIT 1"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of one window that name the same version and models."""

    number: int | None
    label: str
    asked: str
    answered: str
    first_at: datetime
    last_at: datetime
    count: int
    settled_first_at: datetime | None
    settled: int
    day: date
    trace_id: str


@dataclass(frozen=True, slots=True)
class Known:
    """A version of the bundle; ``activated``: it has been active in the environment looked at."""

    number: int
    label: str
    snapshot: str
    activated: bool


def sweep(*, at: datetime | None = None, limit: int = 50) -> int:
    """Look at every deployment that is due; two clocks never look at the same one. Returns how many were looked at."""
    at = at or clock.now()
    unwatched = Deployment.objects.filter(active__isnull=False, drift_watch=None)[:500]
    DriftWatch.objects.bulk_create(
        [DriftWatch(deployment=each, due_at=at, looked_until=at - BEGINNING) for each in unwatched],
        ignore_conflicts=True,
    )
    looked = 0
    for watch in DriftWatch.objects.claim(at, limit=limit):
        try:
            _look(watch, at)
            looked += 1
        except Exception as error:  # a poisoned deployment waits, the others are looked at
            logger.exception("drift of deployment %s could not be looked for", watch.deployment_id)
            if DriftWatch.objects.filter(pk=watch.pk).exists():  # practice may have been removed meanwhile
                watch.fail(str(error), at=at, give_up_after=None)
    return looked


@transaction.atomic
def _look(watch: DriftWatch, at: datetime) -> None:
    """Count the window on and move it, in one transaction: a worker killed in between has counted nothing."""
    until = min(at - LATE, watch.looked_until + MOST)
    deployment = Deployment.objects.select_related("bundle", "active").get(pk=watch.deployment_id)
    if until > watch.looked_until:
        window = Window(deployment.bundle.key, deployment.environment_id, watch.looked_until, until)
        note(deployment, sightings(deployment, window))
        watch.looked_until = until
    watch.due_at = at + EVERY if until >= at - LATE else at
    watch.claimed_until, watch.attempts, watch.error = None, 0, ""
    watch.save(update_fields=["looked_until", "due_at", "claimed_until", "attempts", "error"])


def sightings(deployment: Deployment, window: Window) -> list[Sighting]:
    """Every difference that the runs and the instances of ``window`` show."""
    active = deployment.active
    if active is None:
        return []
    settled = (deployment.activated_at or window.since) + SETTLES
    groups = [Group(*row) for row in rows_of(STATEMENT, parameters(window, settled=settled))]
    instances = _instances(deployment, window, settled)
    versions = _versions(deployment, groups, [number for number, _, _ in instances])
    found = [*_other_models(groups, versions, active), *_moved_aliases(window, groups, versions, active)]
    by_runs = list(_other_versions(groups, versions, active))
    told = {sighting.seen for sighting in by_runs}
    by_polls = [each for each in _fetched(instances, versions, active) if each.seen not in told]
    return [*found, *by_runs, *by_polls]


def _versions(deployment: Deployment, groups: Sequence[Group], numbers: Sequence[int]) -> dict[int | str, Known]:
    """By number and by label; the active one is always among them."""
    numbered = {group.number for group in groups if group.number is not None} | {*numbers}
    active = deployment.active_id
    rows = BundleVersion.objects.filter(
        Q(pk=active) | Q(number__in=numbered) | Q(label__in={group.label for group in groups}),
        bundle_id=deployment.bundle_id,
    ).values_list("pk", "number", "label", "body__model__snapshot")
    here = set(
        Activation.objects.filter(deployment=deployment, version__in=[row[0] for row in rows]).values_list(
            "version_id", flat=True
        )
    )
    found: dict[int | str, Known] = {}
    for pk, number, label, snapshot in rows:
        found[number] = found[label] = Known(number, label, str(snapshot), pk in here)
    return found


def _version_of(group: Group, versions: dict[int | str, Known]) -> Known | None:
    if group.number is not None:
        return versions.get(group.number)
    return versions.get(group.label) if group.label else None


def _other_models(
    groups: Sequence[Group], versions: dict[int | str, Known], active: BundleVersion
) -> Iterator[Sighting]:
    """Another model answers, or is asked, than the run's own version pins."""
    for group in groups:
        version = _version_of(group, versions) or versions[active.number]
        served = group.answered or group.asked
        if served and is_pinned(version.snapshot) and not is_same(version.snapshot, served):
            yield Sighting(
                Drift.Kind.MODEL, version.snapshot, served, group.first_at, group.last_at, group.count, "telemetry",
                about=group.asked or version.snapshot, day=group.day, trace_id=group.trace_id,
            )  # fmt: skip


def _moved_aliases(
    window: Window, groups: Sequence[Group], versions: dict[int | str, Known], active: BundleVersion
) -> Iterator[Sighting]:
    """What answers under an alias is another model than before: counted once per change, not per run."""
    served: dict[str, str] = {}
    for group in groups:
        version = _version_of(group, versions) or versions[active.number]
        asked = group.asked or version.snapshot
        if not group.answered or is_pinned(asked):
            continue
        if asked not in served:
            before = Window(window.bundle_key, window.environment, window.since - timedelta(days=30), window.since)
            rows = rows_of(SERVED_BEFORE, parameters(before, asked=asked))
            served[asked] = rows[0][0] if rows else group.answered
        if served[asked] != group.answered:
            yield Sighting(
                Drift.Kind.ALIAS, served[asked], group.answered, group.first_at, group.last_at, 1, "telemetry",
                about=asked, day=group.day, trace_id=group.trace_id,
            )  # fmt: skip
            served[asked] = group.answered


def _other_versions(
    groups: Sequence[Group], versions: dict[int | str, Known], active: BundleVersion
) -> Iterator[Sighting]:
    """Runs that name another version than the active one, once the last flip has settled."""
    for group in groups:
        if not group.settled or group.settled_first_at is None or (group.number is None and not group.label):
            continue
        version = _version_of(group, versions)
        if version is None or version.number != active.number:
            yield Sighting(
                Drift.Kind.VERSION, active.label, version.label if version else group.label or f"no. {group.number}",
                group.settled_first_at, group.last_at, group.settled, "telemetry",
                unreviewed=version is None or not version.activated, day=group.day, trace_id=group.trace_id,
            )  # fmt: skip


def _instances(deployment: Deployment, window: Window, settled: datetime) -> list[tuple[int, str, datetime]]:
    """(version, name, last seen) of instances that asked in the window and hold another version than the active one."""
    active = deployment.active
    rows = Instance.objects.filter(
        deployment=deployment,
        version_number__isnull=False,
        last_seen_at__gt=max(window.since, settled),  # those that poll were seen after the window, too
    ).exclude(version_number=active.number if active else 0)
    return [(number or 0, name, at) for number, name, at in rows.values_list("version_number", "name", "last_seen_at")]


def _fetched(
    instances: Sequence[tuple[int, str, datetime]], versions: dict[int | str, Known], active: BundleVersion
) -> Iterator[Sighting]:
    for number in dict.fromkeys(number for number, _, _ in instances):
        times = [at for each, _, at in instances if each == number]
        version = versions.get(number)
        yield Sighting(
            Drift.Kind.VERSION, active.label, version.label if version else f"no. {number}", min(times), max(times),
            len(times), "instances", unreviewed=version is None or not version.activated,
        )  # fmt: skip
