"""What eval runs mean for promotion: the gates ``evals`` and ``fail_then_pass`` of bundles that have cases."""

from __future__ import annotations

from datetime import datetime

from rollouts.models import EvalRun, GateResult
from rollouts.operations import cases

#: The gate that runs of the whole set write.
EVALS = "evals"
#: Whether each case that names the version it failed on has been seen failing there.
FAIL_THEN_PASS = "fail_then_pass"  # noqa: S105
_STATES = {EvalRun.State.PASSED: GateResult.State.GREEN, EvalRun.State.FAILED: GateResult.State.RED}


def write(run: EvalRun, *, at: datetime) -> GateResult | None:
    """Record what a finished run says of its version; None for part of a set, an old version of it, or an error."""
    state = _STATES.get(EvalRun.State(run.state))
    newest = cases.newest(run.eval_set_version.eval_set)
    if state is None or run.only is not None or newest is None or newest.pk != run.eval_set_version_id:
        return None
    result = GateResult.objects.create(
        version=run.version,
        gate=EVALS,
        state=state,
        detail=f"{run.eval_set_version}: {run.passed} of {run.expected_total} passed, {run.failed} failed.",
        at=at,
        actor_kind=run.actor_kind,
        actor_label=run.actor_label,
        user=run.user,
        surface=run.surface,
    )
    run.gate_result = result
    run.save(update_fields=["gate_result"])
    return result
