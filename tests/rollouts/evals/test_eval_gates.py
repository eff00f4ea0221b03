"""A bundle that has cases is promoted on what runs of them say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounts import clock
from accounts.errors import OperationRefused
from accounts.models import SiteRole
from rollouts.models import BundleVersion, GateResult
from rollouts.operations import cases, gates
from rollouts.operations.promote import promote
from tests.factories.accounts import person
from tests.factories.evals import case, filed
from tests.factories.rollouts import deployment, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(db: None) -> BundleVersion:
    return version()


def to_staging(made: BundleVersion, **waiver: Any) -> None:
    promote(deployment(environment="staging"), made, actor=person(SiteRole.APPROVER), **waiver)


def refusal(made: BundleVersion, **waiver: Any) -> str:
    with pytest.raises(OperationRefused) as refused:
        to_staging(made, **waiver)
    return str(refused.value)


def waiver() -> dict[str, Any]:
    return {"waiver_reason": "The bench is away.", "waiver_expires_at": clock.now() + timedelta(days=1)}


def test_without_cases_a_recorded_result_counts_as_ever(made: BundleVersion) -> None:
    gates.record(made, "evals", "green", actor=person())
    to_staging(made)
    assert [(gate.gate, gate.state) for gate in gates.board(made, "prod")] == [
        ("evals", "green"),
        ("staging", "green"),
    ]


def test_a_green_run_of_the_whole_set_opens_the_gate(made: BundleVersion) -> None:
    case("refund")
    run = filed(made, refund="pass")
    assert run.gate_result is not None
    assert (run.gate_result.gate, run.gate_result.state) == ("evals", "green")
    to_staging(made)


def test_a_red_run_closes_it_and_no_waiver_opens_it(made: BundleVersion) -> None:
    case("refund")
    run = filed(made, refund="fail")
    assert f"Gate evals is red: customer-service:golden@1: 0 of 1 passed, 1 failed (run {run.pk})" in refusal(made)
    assert "is red" in refusal(made, **waiver())


def test_what_was_red_stays_red_when_the_set_grows(made: BundleVersion) -> None:
    case("refund")
    filed(made, refund="fail")
    case("other", title="Another")
    assert "is red" in refusal(made, **waiver())
    filed(made, refund="pass", other="pass")
    to_staging(made)


def test_a_green_that_somebody_wrote_down_no_longer_counts(made: BundleVersion) -> None:
    case("refund")
    gates.record(made, "evals", "green", actor=person())
    said = refusal(made)
    assert "Gate evals has no result that counts and there is no waiver: Run customer-service:golden@1 (1 case)" in said
    to_staging(made, **waiver())


def test_a_red_that_somebody_wrote_down_since_then_counts(made: BundleVersion) -> None:
    case("refund")
    filed(made, refund="pass")
    gates.record(made, "evals", "red", "Seen refunding twice.", actor=person())
    assert "Gate evals is red: Seen refunding twice." in refusal(made, **waiver())
    filed(made, refund="pass", unknown="pass")
    to_staging(made)


def test_a_green_of_an_older_set_is_stale_and_the_refusal_says_what_to_run(made: BundleVersion) -> None:
    case("refund")
    run = filed(made, refund="pass")
    case("other", title="Another")
    said = refusal(made)
    assert "Run customer-service:golden@2 (2 cases) on" in said
    assert f"run {run.pk} (passed) was of version 1 of the set" in said
    assert gates.standing(made, "staging").missing == ["evals"]
    filed(made, refund="pass", other="pass")
    to_staging(made)


def test_every_set_with_cases_has_to_pass(made: BundleVersion) -> None:
    case("refund")
    case("tone", set_name="tone", title="Polite")
    filed(made, refund="pass")
    assert "Run customer-service:tone@1" in refusal(made)


def test_a_set_whose_cases_were_all_left_out_asks_for_nothing(made: BundleVersion) -> None:
    cases.remove_case(case("refund"), actor=person(SiteRole.APPROVER), reason="Not ours.")
    gates.record(made, "evals", "green", actor=person())
    to_staging(made)


def test_a_run_that_went_wrong_neither_opens_nor_closes_the_gate(made: BundleVersion) -> None:
    case("refund")
    assert filed(made, refund="error").gate_result is None
    assert gates.standing(made, "staging").missing == ["evals"]
    filed(made, refund="pass")
    filed(made, refund="error", more="pass")
    to_staging(made)


def test_another_version_has_to_run_the_cases_itself(made: BundleVersion) -> None:
    case("refund")
    filed(made, refund="pass")
    assert "Run customer-service:golden@1" in refusal(version())


def test_cases_of_a_bad_version_have_to_be_seen_failing_there(made: BundleVersion) -> None:
    case("refund", bad_version=made)
    fix = version()
    filed(fix, refund="pass")
    said = refusal(fix)
    assert "Gate fail_then_pass has no result that counts and there is no waiver" in said
    assert f"Not yet shown failing on the bad version: refund on {made.label}" in said
    filed(made, refund="fail")
    to_staging(fix)
    board = {gate.gate: gate for gate in gates.board(fix, "staging")}
    assert board["fail_then_pass"].sentence == "1 case shown failing on the version that was bad."


def test_a_case_that_passes_on_the_bad_version_proves_nothing_and_is_red(made: BundleVersion) -> None:
    case("refund", bad_version=made)
    fix = version()
    filed(fix, refund="pass")
    filed(made, refund="pass")
    assert "Gate fail_then_pass is red: Passes on the version it should fail on" in refusal(fix, **waiver())


def test_nobody_writes_the_gate_that_runs_tell(made: BundleVersion) -> None:
    with pytest.raises(OperationRefused, match="told by eval runs"):
        gates.record(made, "fail_then_pass", "green", actor=person())
    assert not GateResult.objects.exists()


def test_the_board_says_everything_in_few_queries(made: BundleVersion, django_assert_max_num_queries: Any) -> None:
    for number in range(8):
        case(f"refund-{number}", title=f"Case {number}", bad_version=made)
    filed(made, **{f"refund_{number}": "fail" for number in range(8)})
    gates.record(made, "toxicity", "green", "All quiet.", actor=person())
    with django_assert_max_num_queries(8):
        board = gates.board(made, "prod")
    assert [(gate.gate, gate.state, gate.needed) for gate in board] == [
        ("evals", "red", True),
        ("fail_then_pass", "green", True),
        ("staging", "missing", True),
        ("toxicity", "green", False),
    ]
    assert board[0].run is not None
    assert not any(gate.needed for gate in gates.board(made, "dev"))


def test_a_run_that_broke_off_does_not_say_that_a_case_passes_on_the_bad_version(made: BundleVersion) -> None:
    case("refund", bad_version=made, repeats=5)
    filed(made, refund="pass")
    fixed = version("customer-service", label="9.0.0", text="Refund what was promised.")
    board = {gate.gate: gate.state for gate in gates.board(fixed, "prod")}
    assert board["fail_then_pass"] == "missing"
