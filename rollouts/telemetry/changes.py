"""What changed, and what would going back change: our own record beside what telemetry saw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q

from rollouts.models import Activation, Bundle, BundleVersion, Deployment, Drift, GateResult, Stop
from rollouts.stack import last_good
from rollouts.telemetry.facts import (
    Change,
    ChangeKind,
    Difference,
    Dimension,
    RollbackWould,
    VersionSeen,
    Window,
)

if TYPE_CHECKING:
    from rollouts.telemetry.questions import Telemetry

#: A change this little after a moment counts as before it: the moment is by a sender's clock, the change by ours.
CLOCKS_DIFFER = timedelta(seconds=30)
#: Rows of each kind that are looked at; what is beyond is further away than anybody reads.
MOST = 50
#: Fewer runs of a version than this say nothing about its rate.
ENOUGH_RUNS = 20
#: Filled by ``incidents``: changes that others told of, about these bundles (their keys) in an environment or about
#: nobody by name, after one moment and until another.
told_hooks: list[Callable[[Sequence[str], str, datetime, datetime], Iterable[Change]]] = []


# -- what changed --------------------------------------------------------------------------------------------------
def changes_before(
    telemetry: Telemetry, bundle_key: str, environment: str, before: datetime, *, lookback: timedelta, limit: int
) -> tuple[Change, ...]:
    """Everything that moved for this agent in ``environment``, nearest to ``before`` first."""
    since, until = before - lookback, before + CLOCKS_DIFFER
    keys = list(Bundle.objects.filter(agent__bundles__key=bundle_key).values_list("key", flat=True)) or [bundle_key]
    models = list(_models(telemetry, Window(bundle_key, environment, since, until)))
    answered = {change.to_label for change in models}
    found = [
        *_activations(keys, environment, since, until),
        *_stops(keys, environment, since, until),
        *_gates(keys, since, until),
        *models,
        *_drifts(keys, environment, since, until, answered),
        *(change for hook in told_hooks for change in hook(keys, environment, since, until)),
    ]
    return tuple(
        replace(
            change,
            minutes_before=max(0.0, (before - change.at).total_seconds() / 60),
            same_bundle=change.bundle_key == bundle_key,
        )
        for change in sorted(found, key=lambda change: change.at, reverse=True)[:limit]
    )


def parts_between(one: BundleVersion | None, other: BundleVersion | None) -> tuple[str, ...]:
    """The parts whose digests differ, in the order of the body; empty when either version is missing."""
    if one is None or other is None:
        return ()
    names = dict.fromkeys([*one.part_digests, *other.part_digests])
    return tuple(name for name in names if one.part_digests.get(name) != other.part_digests.get(name))


def listed(names: Sequence[str]) -> str:
    """``prompt``, ``prompt and tools``, ``prompt, model and tools``."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def _activations(keys: list[str], environment: str, since: datetime, before: datetime) -> Iterable[Change]:
    rows = (
        Activation.objects.filter(
            deployment__bundle__key__in=keys, deployment__environment_id=environment, at__gt=since, at__lte=before
        )
        .select_related("deployment__bundle", "version", "previous")
        .defer("version__body", "previous__body")
        .order_by("-at")[:MOST]
    )
    for row in rows:
        parts = parts_between(row.previous, row.version)
        to, source = row.version.label, row.previous.label if row.previous else ""
        if not source:
            sentence = f"{to} was the first version"
        elif row.kind == Activation.Kind.ROLLBACK:
            sentence = f"Went back from {source} to {to}"
        elif row.kind == Activation.Kind.ROLL_FORWARD:
            sentence = f"Rolled forward from {source} to {to}"
        else:
            sentence = f"{to} replaced {source}"
        if source:
            sentence += f": {listed(parts)} changed" if parts else ": behaviour unchanged"
        yield Change(
            row.at, 0.0, ChangeKind(row.kind), row.deployment.bundle.key, f"{sentence}.", row.actor_label,
            row.actor_kind, source, to, parts, True, row.pk,
        )  # fmt: skip


def _stops(keys: list[str], environment: str, since: datetime, before: datetime) -> Iterable[Change]:
    rows = (
        Stop.objects.filter(
            Q(engaged_at__gt=since, engaged_at__lte=before) | Q(released_at__gt=since, released_at__lte=before),
            kill_switch__deployment__bundle__key__in=keys,
            kill_switch__deployment__environment_id=environment,
        )
        .select_related("kill_switch__deployment__bundle", "released_by")
        .order_by("-engaged_at")[:MOST]
    )
    for row in rows:
        key = row.kill_switch.deployment.bundle.key
        if since < row.engaged_at <= before:
            yield Change(
                row.engaged_at, 0.0, ChangeKind.STOP, key, f"Stopped: {row.kill_switch.scope}.", row.actor_label,
                row.actor_kind, "", "", (), True, row.pk,
            )  # fmt: skip
        if row.released_at is not None and since < row.released_at <= before:
            who = str(row.released_by) if row.released_by else ""
            yield Change(
                row.released_at, 0.0, ChangeKind.RELEASE, key, f"Released: {row.kill_switch.scope}.", who,
                "person", "", "", (), True, row.pk,
            )  # fmt: skip


def _gates(keys: list[str], since: datetime, before: datetime) -> Iterable[Change]:
    rows = (
        GateResult.objects.filter(version__bundle__key__in=keys, at__gt=since, at__lte=before)
        .select_related("version__bundle")
        .defer("version__body")
        .order_by("-at")[:MOST]
    )
    for row in rows:
        yield Change(
            row.at, 0.0, ChangeKind.GATE, row.version.bundle.key,
            f"Gate {row.gate} was {row.state} for {row.version.label}.", row.actor_label, row.actor_kind, "",
            row.version.label, (), True, row.pk,
        )  # fmt: skip


def _models(telemetry: Telemetry, window: Window) -> Iterable[Change]:
    """A model that answers under the same name as another did before: a change nobody here made (R024)."""
    served: dict[str, str] = {}
    for asked, answered, at, _ in telemetry.models_seen(window):
        before = served.get(asked)
        if before is not None and before != answered:
            yield Change(
                at, 0.0, ChangeKind.MODEL, window.bundle_key,
                f"{asked or 'The model'} began to be answered by {answered} instead of {before}.",
                "the model's provider", "automation", before, answered, ("model",), True, None,
            )  # fmt: skip
        served[asked] = answered


def _drifts(
    keys: list[str], environment: str, since: datetime, before: datetime, answered: set[str]
) -> Iterable[Change]:
    """Since when something else ran than the pointer says; models that the changes of models tell of are left out."""
    rows = (
        Drift.objects.filter(
            deployment__bundle__key__in=keys,
            deployment__environment_id=environment,
            first_seen_at__gt=since,
            first_seen_at__lte=before,
        )
        .exclude(kind=Drift.Kind.ALIAS)
        .select_related("deployment__bundle")
        .order_by("-first_seen_at")[:MOST]
    )
    parts = {Drift.Kind.MODEL: ("model",), Drift.Kind.VERSION: ()}
    for row in rows:
        if row.kind == Drift.Kind.MODEL and row.seen in answered:
            continue
        unreviewed = " Unreviewed: nothing here ever put it there." if row.unreviewed else ""
        yield Change(
            row.first_seen_at, 0.0, ChangeKind.DRIFT, row.deployment.bundle.key, f"{row.sentence}{unreviewed}",
            row.source, "automation", "", "", parts.get(Drift.Kind(row.kind), (row.about,)), True, row.pk,
        )  # fmt: skip


# -- what going back would do --------------------------------------------------------------------------------------
def rollback_would(
    telemetry: Telemetry, deployment: Deployment, since: datetime, until: datetime
) -> RollbackWould | None:
    """Compare the active version with the one below it, over the window and as long again before the activation."""
    active, target = deployment.active, last_good(deployment)
    if active is None or target is None:
        return None
    activated = deployment.activated_at
    earliest = min(since, activated - (until - since)) if activated is not None else since
    key = deployment.bundle.key
    seen = telemetry.versions_seen(Window(key, deployment.environment_id, earliest, until))
    shared = telemetry.shared_by_failures(Window(key, deployment.environment_id, since, until), 50)
    active_runs, active_failed = _counts(seen, active)
    target_runs, target_failed = _counts(seen, target)
    parts = parts_between(target, active)
    suspect, reverted = _suspect(shared.differences, active, target, parts)
    advice, because = _advise(active.label, target.label, active_runs, active_failed, target_runs, target_failed)
    sentences = [because, f"Going back changes the {listed(parts)}." if parts else "Going back changes no behaviour."]
    if reverted is False:
        sentences.append(f"Bad runs share {suspect}, which is the same in both versions.")
        if advice == "stop_the_bleed" and suspect.startswith(("region", "instance")):
            advice = "not_sure"
    if not parts:
        advice = "not_help"
    return RollbackWould(
        active_label=active.label,
        target_label=target.label,
        active_since=activated,
        active_runs=active_runs,
        active_failed_runs=active_failed,
        target_runs=target_runs,
        target_failed_runs=target_failed,
        parts_reverted=parts,
        suspect=suspect,
        suspect_reverted=reverted,
        advice=advice,
        sentence=" ".join(sentences),
    )


def _counts(seen: Iterable[VersionSeen], version: BundleVersion) -> tuple[int, int]:
    rows = [row for row in seen if row.number == version.number or (row.number is None and row.label == version.label)]
    return sum(row.runs for row in rows), sum(row.failed_runs for row in rows)


def _advise(active: str, target: str, runs: int, failed: int, target_runs: int, target_failed: int) -> tuple[str, str]:
    """(advice, one sentence of numbers)."""
    if runs < ENOUGH_RUNS:
        return "not_sure", f"Only {runs} runs of {active} are known, too few to tell."
    share = failed / runs
    told = f"{active} failed {percent(share)} of {runs} runs"
    if target_runs < ENOUGH_RUNS:
        return "not_sure", f"{told}; too few runs of {target} are known to compare with."
    before = target_failed / target_runs
    pooled = (failed + target_failed) / (runs + target_runs)
    error = math.sqrt(pooled * (1 - pooled) * (1 / runs + 1 / target_runs))
    told = f"{told}; {target} failed {percent(before)} of {target_runs}."
    if share > before and (share - before) / error >= 3:
        return "stop_the_bleed", told
    if failed == 0:
        return "not_sure", told
    return "not_help", f"{told} That is no clear difference."


def percent(share: float) -> str:
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def _suspect(
    differences: Iterable[Difference], active: BundleVersion, target: BundleVersion, parts: tuple[str, ...]
) -> tuple[str, bool | None]:
    """What sets bad runs apart most, the version itself aside, and whether going back changes it (R038)."""
    top = next((each for each in differences if not each.symptom and each.dimension != Dimension.VERSION), None)
    if top is None or top.gap < 0.2:
        return "", None
    if top.dimension == Dimension.TOOL:
        changed = _tool(active, top.value) != _tool(target, top.value)
        return f"the tool {top.value}", changed if changed or "prompt" not in parts else None
    if top.dimension == Dimension.MODEL:
        return f"the model {top.value}", "model" in parts
    return f"{top.dimension} {top.value}", False


def _tool(version: BundleVersion, name: str) -> object:
    tools = version.body.get("tools")
    return next((tool for tool in tools or [] if isinstance(tool, dict) and tool.get("name") == name), None)
