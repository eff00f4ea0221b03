"""What eval runs mean for promotion: the gates ``evals`` and ``fail_then_pass`` of bundles that have cases."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from rollouts.models import BundleVersion, EvalRun, EvalSetVersion, GateResult, RegressionCase
from rollouts.operations.eval_proof import holds, newest_tallies

#: The gate that runs of the whole set write.
EVALS = "evals"
#: Whether each case that names the version it failed on has been seen failing there.
FAIL_THEN_PASS = "fail_then_pass"  # noqa: S105
LATEST = 5  # runs of any kind that a page shows
GREEN, RED, MISSING = "green", "red", "missing"
_STATES = {EvalRun.State.PASSED: GateResult.State.GREEN, EvalRun.State.FAILED: GateResult.State.RED}


@dataclass(frozen=True, slots=True)
class Told:
    """What runs say of one gate: green, red or missing, why, and the run to look at; ``result`` is its row."""

    gate: str
    state: str
    sentence: str
    run: int | None = None
    at: datetime | None = None
    result: GateResult | None = None


def write(run: EvalRun, *, at: datetime) -> GateResult | None:
    """Record what a finished run says of its version; None for part of a set, an old version of it, or an error."""
    state = _STATES.get(EvalRun.State(run.state))
    newest = run.eval_set_version.eval_set.versions.order_by("-number").first()
    if state is None or run.only is not None or newest is None or newest.pk != run.eval_set_version_id:
        return None
    result = GateResult.objects.create(
        version=run.version,
        gate=EVALS,
        state=state,
        detail=counted(run),
        at=at,
        actor_kind=run.actor_kind,
        actor_label=run.actor_label,
        user=run.user,
        surface=run.surface,
    )
    run.gate_result = result
    run.save(update_fields=["gate_result"])
    return result


def counted(run: EvalRun) -> str:
    """``customer-service:golden@3: 11 of 12 passed, 1 failed (run 7).``"""
    failed = f", {run.failed} failed" if run.failed else ""
    return f"{run.eval_set_version}: {run.passed} of {run.expected_total} passed{failed} (run {run.pk})."


@dataclass(frozen=True, slots=True)
class Looked:
    """The sets a version has to pass, the gates that runs of them decide, and its latest runs of any kind."""

    sets: list[EvalSetVersion] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    runs: list[EvalRun] = field(default_factory=list)


def look(version: BundleVersion) -> Looked:
    """Four queries at most; empty when the bundle has no cases."""
    newest = EvalSetVersion.objects.filter(eval_set__bundle_id=version.bundle_id).select_related("eval_set__bundle")
    sets = [found for found in newest.order_by("eval_set_id", "-number").distinct("eval_set_id") if found.case_ids]
    if not sets:
        return Looked()
    whole = Q(only=None, state__in=list(_STATES), eval_set_version__eval_set__in=[found.eval_set_id for found in sets])
    runs = list(
        EvalRun.objects.filter(
            whole | Q(pk__in=version.eval_runs.order_by("-pk").values("pk")[:LATEST]), version=version
        )
        .defer("raw")
        .select_related("eval_set_version__eval_set__bundle", "gate_result")
        .order_by("-pk")[:500]
    )
    for run in runs:
        run.version = version
    told = [_evals(version, sets, [run for run in runs if run.only is None and run.state in _STATES])]
    named = list(
        RegressionCase.objects.filter(
            pk__in=[pk for found in sets for pk in found.case_ids], bad_version__isnull=False
        ).select_related("bad_version__bundle")
    )
    if named:
        told.append(_fail_then_pass(named))
    return Looked(sets, told, runs[:LATEST])


def _evals(version: BundleVersion, sets: list[EvalSetVersion], runs: list[EvalRun]) -> Told:
    """Red when the newest full run of any set is red, green when that of every set is green."""
    newest: dict[int, EvalRun] = {}  # by version of a set
    last: dict[int, EvalRun] = {}  # by set
    for run in sorted(runs, key=lambda run: (run.done_at or run.created_at, run.pk), reverse=True):
        newest.setdefault(run.eval_set_version_id, run)
        last.setdefault(run.eval_set_version.eval_set_id, run)
    found = [(wanted, newest.get(wanted.pk)) for wanted in sets]
    # What was red stays so until the whole of the newest version passes: a case more is no way around it.
    told = [run or last.get(wanted.eval_set_id) for wanted, run in found]
    red = next((run for run in told if run is not None and run.state == EvalRun.State.FAILED), None)
    if red is not None:
        result = red.gate_result or GateResult(version=version, gate=EVALS, state=RED, detail=counted(red))
        return Told(EVALS, RED, counted(red), red.pk, red.done_at, result)
    if lacking := [wanted for wanted, run in found if run is None]:
        older = last.get(lacking[0].eval_set_id)
        return Told(
            EVALS,
            MISSING,
            " ".join(_lacking(version, wanted, last.get(wanted.eval_set_id)) for wanted in lacking),
            older.pk if older else None,
            older.done_at if older else None,
        )
    green = [run for run in told if run is not None]
    oldest = min(green, key=lambda run: run.pk)
    sentence = " ".join(counted(run) for run in green)
    return Told(EVALS, GREEN, sentence, oldest.pk, oldest.done_at, oldest.gate_result)


def _lacking(version: BundleVersion, wanted: EvalSetVersion, older: EvalRun | None) -> str:
    count = len(wanted.case_ids)
    said = f"Run {wanted} ({count} {'case' if count == 1 else 'cases'}) on {version.label}"
    if older is None:
        return f"{said}."
    ended = EvalRun.State(older.state).label.lower()
    return f"{said}: run {older.pk} ({ended}) was of version {older.eval_set_version.number} of the set."


def _fail_then_pass(named: list[RegressionCase]) -> Told:
    """A case proves something only when it was seen failing on the version it was made for."""
    tallies = newest_tallies(named, [case.bad_version for case in named if case.bad_version is not None])
    seen = [(case, tallies.get((case.pk, case.bad_version_id or 0))) for case in named]
    passing = [case for case, tally in seen if tally is not None and holds(case, tally)]
    # One failure is enough to have been seen failing; passes are not until every try was made.
    unseen = [case for case, tally in seen if tally is None or (tally.k == tally.n < case.repeats)]
    runs = [tally.run for tally in tallies.values() if tally.run is not None]
    if passing:
        sentence = f"Passes on the version it should fail on, so it proves nothing: {_named(passing)}."
        result = GateResult(gate=FAIL_THEN_PASS, state=RED, detail=sentence)
        return Told(FAIL_THEN_PASS, RED, sentence, max(runs), result=result)
    if unseen:
        sentence = f"Not yet shown failing on the bad version: {_named(unseen)}."
        return Told(FAIL_THEN_PASS, MISSING, sentence, max(runs, default=None))
    sentence = f"{len(named)} {'case' if len(named) == 1 else 'cases'} shown failing on the version that was bad."
    return Told(FAIL_THEN_PASS, GREEN, sentence, max(runs))


def _named(some: list[RegressionCase]) -> str:
    shown = ", ".join(f"{case.key} on {case.bad_version.label}" for case in some[:10] if case.bad_version)
    return shown + (f" and {len(some) - 10} more" if len(some) > 10 else "")
