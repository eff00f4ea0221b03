"""What the newest finished results prove of a case: k of n tries on the version that failed, and on the fix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import F, Max, Window

from rollouts.models import BundleVersion, EvalResult, RegressionCase


@dataclass(frozen=True, slots=True)
class Tally:
    """``k`` of ``n`` tries; errors of the infrastructure are no tries. ``run`` is where to look, None when never."""

    k: int = 0
    n: int = 0
    run: int | None = None

    def __str__(self) -> str:
        return f"{self.k} of {self.n}"


def holds(case: RegressionCase, tally: Tally) -> bool:
    """Whether it passed every try that it takes (``repeats``): a run that broke off half-way proves nothing."""
    return case.repeats <= tally.n == tally.k


@dataclass(frozen=True, slots=True)
class Proof:
    """What the newest finished results say: how often a case failed on the bad version, and passed on the fix."""

    failed_on_bad: Tally
    passed_on_fix: Tally


def proof(case: RegressionCase, bad: BundleVersion | None, fix: BundleVersion | None) -> Proof:
    """(failed k of n on ``bad``, passed k of n on ``fix``), from the newest finished run of each."""
    tallies = newest_tallies([case], [version for version in (bad, fix) if version is not None])
    on_bad = tallies.get((case.pk, bad.pk)) if bad is not None else None
    on_fix = tallies.get((case.pk, fix.pk)) if fix is not None else None
    return Proof(
        Tally(on_bad.n - on_bad.k, on_bad.n, on_bad.run) if on_bad else Tally(),
        on_fix or Tally(),
    )


def newest_tallies(of: Iterable[RegressionCase], versions: Iterable[BundleVersion]) -> dict[tuple[int, int], Tally]:
    """(case, version) → how often the case passed in the newest finished run that judged it. One query."""
    case_ids, version_ids = [case.pk for case in of], [version.pk for version in versions]
    judged = EvalResult.objects.filter(
        case_id__in=case_ids, run__version_id__in=version_ids, run__done_at__isnull=False
    ).exclude(outcome=EvalResult.Outcome.ERROR)
    newest = Window(Max("run_id"), partition_by=[F("case_id"), F("run__version_id")])
    rows = judged.order_by().annotate(newest=newest).filter(run_id=F("newest"))
    counted: dict[tuple[int, int], Tally] = {}
    for case_id, version_id, run_id, outcome in rows.values_list("case_id", "run__version_id", "run_id", "outcome"):
        was = counted.get((case_id, version_id), Tally())
        counted[case_id, version_id] = Tally(was.k + (outcome == EvalResult.Outcome.PASS), was.n + 1, run_id)
    return counted
