"""After containment: the fix the fleet pushes, its cases on either side of it, and the gate that holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.errors import OperationRefused
from incidents.operations import contain
from rollouts.models import BundleVersion, EvalRun, RegressionCase
from rollouts.operations import eval_runs, eval_work, practice
from rollouts.operations.promote import promote
from rollouts.practice import runner
from rollouts.practice.resolved import read
from rollouts.practice.scenarios import SCENARIOS
from tests.clock import MovableClock
from tests.factories.accounts import SHELL
from tests.factories.rollouts import deployment
from tests.rollouts.practice.course import Course

#: scenario, version → keys of the cases that fail on it
EXPECTED = {
    "refund-limit": {"2.0.3": set(), "2.1.0": {"promised-refund"}, "2.2.0": set()},
    "schema-contract": {"1.3.2": set(), "1.4.0": {"due-in-words", "critical", "no-quantity"}, "1.4.1": set()},
    "no-way-back": {"1.0.0": {"due-in-words", "critical", "no-quantity"}, "1.0.1": set()},
    "provider-update": {"4.0.1": {"no-fence", "no-question"}, "4.0.2": set()},
    "red-gate": {"3.1.0": {"promised-refund"}, "3.1.1": {"policy-limit"}, "3.2.0": set()},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_cases_fail_on_the_bad_version_and_pass_on_the_fix(name: str) -> None:
    scenario = SCENARIOS[name]
    for label, failing in EXPECTED[name].items():
        bundle = read({**scenario.versions[label], "enabled": True, "version": {"number": 1, "label": label}})
        outcomes: dict[str, Any] = {
            str(case["key"]): runner.one(scenario.key, bundle, case)["outcome"]
            for case in (*scenario.known, *scenario.cases)
        }
        assert {key for key, outcome in outcomes.items() if outcome == "fail"} == failing, label
        assert set(outcomes.values()) <= {"pass", "fail"}


@pytest.mark.django_db
def test_a_red_gate_holds_the_fix_that_breaks_the_other_world_and_the_one_that_keeps_both_goes_live(
    clock: MovableClock,
) -> None:
    course = Course(clock, "red-gate")
    contain.roll_back(course.alerted(), actor=course.responder)
    course.until(lambda: course.room.status == "recovered", 30)
    course.push_the_fix()
    assert set(RegressionCase.objects.values_list("key", flat=True)) == {
        "small-refund", "policy-limit", "promised-refund",
    }  # fmt: skip

    def run(label: str) -> EvalRun:
        version = BundleVersion.objects.get(bundle__key="returns-desk", label=label)
        eval_runs.request_run(version, actor=course.responder, incident_ref=course.room.ref)
        finished = eval_work.execute_due()
        assert finished is not None
        return finished

    def go_live(label: str, environment: str) -> None:
        version = BundleVersion.objects.get(bundle__key="returns-desk", label=label)
        waived = {"waiver_reason": "urgent", "waiver_expires_at": datetime.now(UTC) + timedelta(days=1)}
        promote(deployment("returns-desk", environment), version, actor=course.responder, **waived)  # type: ignore[arg-type]

    assert run("3.1.0").state == "failed"
    assert run("3.1.1").state == "failed"
    with pytest.raises(OperationRefused, match="red"):
        go_live("3.1.1", "staging")
    with pytest.raises(OperationRefused, match="red"):
        go_live("3.1.1", "prod")
    assert run("3.2.0").state == "passed"
    for environment in ("staging", "prod"):
        go_live("3.2.0", environment)
    course.live(6)
    assert course.rate > 0.95
    assert course.fleet.report()["versions"] == {"3.2.0": 20}

    practice.rest(actor=SHELL)
    practice.begin(actor=SHELL)  # woken: nothing bad is shipped again
    course.live(2)
    assert course.live_deployment.active is not None
    assert course.live_deployment.active.label == "3.2.0"
