"""What did not pass, tried once more."""

from __future__ import annotations

from datetime import datetime

from accounts.actors import Actor
from accounts.errors import OperationRefused
from rollouts.models import EvalResult, EvalRun, RegressionCase
from rollouts.operations import eval_runs
from rollouts.operations.cases import is_kept


def run_failed_again(run: EvalRun, *, actor: Actor, at: datetime | None = None) -> EvalRun:
    """Ask for a run, on the same version, of the cases that did not pass every try in ``run``; it decides no gate.

    Refused with 409 while ``run`` is under way, and when nothing that its set still holds went wrong in it.
    """
    if run.done_at is None and run.given_up_at is None and run.cancelled_at is None:
        raise OperationRefused(f"Run {run.pk} is still under way. Wait for it, or cancel it.")
    wrong = run.results.exclude(outcome=EvalResult.Outcome.PASS).values("case")
    keys = RegressionCase.objects.filter(is_kept(), pk__in=wrong, replaced_by=None).values_list("key", flat=True)
    if not keys:
        raise OperationRefused(f"Nothing failed in run {run.pk} that its set still holds.")
    return eval_runs.request_run(
        run.version,
        actor=actor,
        set_name=run.eval_set_version.eval_set.name,
        only=sorted(keys),
        incident_ref=run.incident_ref,
        at=at,
    )
