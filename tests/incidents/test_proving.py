"""A fix is proven: the case fails on the version that was bad and passes on the one in service, k of n."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import SiteRole
from incidents.models import Incident
from incidents.operations import cases, causes, contain, exits, moves, proving, resolve
from rollouts.models import BundleVersion, RegressionCase
from rollouts.operations import cases as eval_cases
from rollouts.operations import eval_work
from rollouts.operations.eval_runs import upload_junit
from rollouts.practice.bundles import BAD, FIX, GOOD, KEY
from tests.factories.accounts import person
from tests.factories.evals import case, filed, junit
from tests.factories.incidents import incident
from tests.factories.rollouts import deployment, running, version
from tests.incidents.refunds import TRACE, refund_room

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(noon: datetime) -> Incident:
    return refund_room(noon)


def labelled(label: str) -> BundleVersion:
    return BundleVersion.objects.get(bundle__key=KEY, label=label)


def made(room: Incident) -> RegressionCase:
    return cases.from_run(room, actor=person(), day=room.started_at.date(), trace_id=TRACE)[0]  # type: ignore[union-attr]


def execute(count: int = 1) -> list[str]:
    """Run what is queued with the practice runner; the states."""
    found = [eval_work.execute_due() for _ in range(count)]
    return [run.state for run in found if run is not None]


def orders(room: Incident) -> list[str]:
    return exits.unmet(Incident.objects.get(pk=room.pk), "resolve")


def test_from_a_failing_run_to_resolved_by_the_practice_runner(room: Incident) -> None:
    assert orders(room) == ["Say why it happened: name at least one cause."]
    causes.add(room, actor=person(), origin="prompt_change")
    assert orders(room) == ["Make a case for prompt change, or say why there can be none."]
    key = made(room).key
    assert orders(room) == [f"Run {key} on 2.1.0, the version that was bad."]
    (run,) = proving.run(room, actor=person(), on="bad")
    assert (run.version.label, run.incident_ref, len(run.only or [])) == (BAD, room.ref, 1)
    assert execute() == ["failed"]
    assert orders(room) == [f"Run {key} on 2.0.3, the version in service."]
    proving.run(room, actor=person(), on="fix")
    assert execute() == ["passed"]
    (cause,) = proving.standing(room).causes
    (proof,) = cause.cases
    assert (str(proof.on_bad), str(proof.on_fix), proof.is_proven) == ("1 of 1", "1 of 1", True)
    done = resolve.resolve(room, actor=person(), resolution="Back on 2.0.3.")
    assert done.resolved_at is not None


def test_the_next_version_is_proven_and_promoted_through_its_gates(noon: datetime) -> None:
    room = refund_room(noon, fix=True)
    causes.add(room, actor=person(), origin="prompt_change")
    made(room)
    found = proving.standing(room)
    assert [version.label for version in (found.bad, found.fix, found.following) if version] == [BAD, GOOD, FIX]
    assert found.candidate == labelled(FIX)
    proving.run(room, actor=person(), on="bad")
    (suite,) = proving.run(room, actor=person(), on="all")
    assert (suite.version.label, suite.only) == (FIX, None)
    execute(2)
    assert proving.standing(room).cases[0].on_next.n == 1


def test_a_case_that_passes_on_the_bad_version_catches_nothing(room: Incident) -> None:
    causes.add(room, actor=person(), origin="prompt_change")
    check: dict[str, Any] = {"check_kind": "assertion", "check_body": {"path": "outcome", "operator": "exists"}}
    case = cases.make(
        room, actor=person(), title="t", inputs={"amount": 240}, bad_version=labelled(BAD), key="weak", **check
    )
    proving.run(room, actor=person(), on="bad")
    execute()
    assert orders(room) == ["Refine weak: it passed 1 of 1 on 2.1.0, so it catches nothing."]
    assert not proving.standing(room).cases[0].is_proven
    assert case.repeats == 1


def test_a_case_that_fails_on_the_fix_says_how_often(room: Incident) -> None:
    causes.add(room, actor=person(), origin="prompt_change")
    check: dict[str, Any] = {
        "check_kind": "assertion",
        "check_body": {"path": "outcome", "operator": "equals", "value": "never"},
    }
    cases.make(
        room, actor=person(), title="t", inputs={"amount": 240}, bad_version=labelled(BAD), key="k", repeats=3, **check
    )
    proving.run(room, actor=person(), on="bad")
    proving.run(room, actor=person(), on="fix")
    execute(2)
    assert orders(room) == ["Fix what k shows: it passed 0 of 3 on 2.0.3."]


def test_a_waived_proof_and_a_reason_for_no_case_let_it_resolve(room: Incident) -> None:
    first = causes.add(room, actor=person(), origin="prompt_change")
    second = causes.add(room, actor=person(), origin="permissions")
    made(room)
    causes.waive_proof(first, actor=person(), reason="the judge is away")
    causes.no_case(second, actor=person(), reason="not ours")
    assert orders(room) == []


def test_while_the_bad_version_is_in_service_nothing_is_fixed(noon: datetime) -> None:
    room = refund_room(noon)
    causes.add(room, actor=person(), origin="prompt_change")
    key = made(room).key
    filed(labelled(BAD), **{key.replace("-", "_"): "fail"})
    contain.roll_forward(room, actor=person())
    moves.sweep()
    assert f"Put the fix in service: {BAD} still is." in orders(room)


def test_a_failed_suite_on_the_version_in_service_refuses_and_nobody_waives_it(room: Incident) -> None:
    cause = causes.add(room, actor=person(), origin="prompt_change")
    key = made(room).key
    causes.waive_proof(cause, actor=person(), reason="later")
    run = filed(labelled(GOOD), **{key.replace("-", "_"): "fail"})
    assert orders(room) == [f"Make the whole suite pass on 2.0.3: 1 failed in run {run.pk}."]
    with pytest.raises(OperationRefused, match="whole suite"):
        resolve.resolve(room, actor=person(), resolution="r")
    filed(labelled(GOOD), **{key.replace("-", "_"): "pass"})
    assert orders(room) == []


def test_a_case_without_a_bad_version_asks_which() -> None:
    room = incident(running("1.0.0"))
    causes.add(room, actor=person(), origin="input_shift")
    cases.make(
        room,
        actor=person(),
        title="t",
        inputs={"messages": "Hi"},
        key="k",
        check_kind="rubric",
        check_body={"text": "Polite."},
    )
    assert orders(room)[-1] == "Say which version k fails on."
    with pytest.raises(OperationRefused, match="which version it fails on"):
        proving.run(room, actor=person(), on="bad")


def test_every_refusal_of_asking_for_runs(room: Incident) -> None:
    with pytest.raises(OperationRefused, match="Make a case first"):
        proving.run(room, actor=person(), on="bad")
    with pytest.raises(OperationRefused, match="no version 'moon'"):
        proving.run(room, actor=person(), on="moon")
    made(room)
    with pytest.raises(NotPermitted):
        proving.run(room, actor=person(SiteRole.VIEWER), on="bad")
    Incident.objects.update(deployment=None)
    with pytest.raises(OperationRefused, match="which agent"):
        proving.run(Incident.objects.get(), actor=person(), on="bad")
    version("idle")
    with pytest.raises(OperationRefused, match="Nothing is in service"):
        proving.run(incident(deployment("idle")), actor=person(), on="all")


def test_a_case_of_an_earlier_incident_has_to_fail_on_what_was_bad_in_this_one(room: Incident) -> None:
    earlier = incident(room.deployment)
    check: dict[str, Any] = {"check_kind": "assertion", "check_body": {"path": "outcome", "operator": "exists"}}
    old = cases.make(
        earlier, actor=person(), title="t", inputs={"amount": 1}, key="old", bad_version=labelled(GOOD), **check
    )
    filed(labelled(GOOD), old="fail")
    cause = causes.add(room, actor=person(), origin="prompt_change")
    causes.link_case(cause, old, actor=person())
    assert orders(room)[0] == "Run old on 2.1.0, the version that was bad."
    filed(labelled(BAD), old="pass")
    filed(labelled(GOOD), old="pass")
    assert orders(room) == ["Refine old: it passed 1 of 1 on 2.1.0, so it catches nothing."]


def test_a_run_that_broke_off_proves_neither_the_fix_nor_that_the_bad_version_passes(room: Incident) -> None:
    causes.add(room, actor=person(), origin="prompt_change")
    check: dict[str, Any] = {"check_kind": "assertion", "check_body": {"path": "outcome", "operator": "exists"}}
    cases.make(
        room, actor=person(), title="t", inputs={"amount": 1}, key="k", repeats=5, bad_version=labelled(BAD), **check
    )
    filed(labelled(BAD), k="pass")
    assert orders(room) == ["Run k on 2.1.0 again: 1 of its 5 tries were made."]
    filed(labelled(BAD), k="fail")
    filed(labelled(GOOD), k="pass")
    assert orders(room) == ["Run k on 2.0.3 again: 1 of its 5 tries were made."]


def test_a_case_that_was_left_out_covers_nothing_and_stops_no_run(room: Incident) -> None:
    causes.add(room, actor=person(), origin="prompt_change")
    left_out = made(room)
    eval_cases.remove_case(left_out, actor=person(SiteRole.APPROVER), reason="It asks for the wrong thing.")
    assert orders(room) == ["Make a case for prompt change, or say why there can be none."]
    with pytest.raises(OperationRefused, match="Make a case first"):
        proving.run(room, actor=person(), on="bad")
    kept = cases.make(
        room,
        actor=person(),
        title="t",
        inputs={"amount": 1},
        key="kept",
        check_kind="rubric",
        check_body={"text": "Refunded."},
        bad_version=labelled(BAD),
    )
    (run,) = proving.run(room, actor=person(), on="bad")
    assert run.only == [kept.pk]


def test_the_whole_suite_is_every_set_and_a_green_one_hides_no_red_one(room: Incident) -> None:
    cause = causes.add(room, actor=person(), origin="prompt_change")
    key = made(room).key
    causes.waive_proof(cause, actor=person(), reason="later")
    case("tone", set_name="tone", title="Polite", bundle=KEY)
    asked = proving.run(room, actor=person(), on="all")
    assert [run.eval_set_version.eval_set.name for run in asked] == ["golden", "tone"]
    red = filed(labelled(GOOD), **{key.replace("-", "_"): "fail"})
    upload_junit(labelled(GOOD), actor=person(), body=junit(tone="pass"), set_name="tone")
    assert orders(room) == [f"Make the whole suite pass on 2.0.3: 1 failed in run {red.pk}."]
