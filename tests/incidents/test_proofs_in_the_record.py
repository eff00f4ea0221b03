"""Cases made and runs finished for an incident stand in its record, once, whoever was looking."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import SiteRole
from incidents.models import MachineMove
from incidents.operations import moves, timeline
from rollouts.operations import eval_runs
from tests.factories.accounts import person
from tests.factories.evals import case, filed, junit
from tests.factories.incidents import incident
from tests.factories.rollouts import version

pytestmark = pytest.mark.django_db


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Any) -> Any:
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_a_case_and_a_finished_run_are_told_in_their_room(committing: Any) -> None:
    room, made = incident(), version()
    with committing():
        case("refund", incident_ref=room.ref)
        run = eval_runs.upload_junit(made, actor=person(), body=junit(refund="fail"), incident_ref=room.ref.lower())
    told = list(room.timeline.filter(kind__in=["case", "eval_run"]).order_by("sequence"))
    assert [entry.text for entry in told] == [
        "Case refund in customer-service:golden: A refund of $480 goes out",
        f"Run {run.pk}, customer-service:golden@1 on {made}: failed, 0 of 1 passed, 1 failed",
    ]
    assert told[1].data == {"run": run.pk, "state": "failed"}
    assert told[1].actor_kind == "person"
    room.refresh_from_db()
    assert timeline.first_broken(room) is None


def test_a_cancelled_run_is_told_as_the_act_of_who_cancelled_it(committing: Any) -> None:
    room, made, who = incident(), version(), person(SiteRole.COMMANDER)
    case("refund")
    with committing():
        run = eval_runs.request_run(made, actor=person(), only=["refund"], incident_ref=room.ref)
    assert not room.timeline.filter(kind="eval_run").exists()
    with committing():
        eval_runs.cancel(run, actor=who)
    entry = room.timeline.get(kind="eval_run")
    assert (entry.user, entry.text) == (
        who.user,
        f"Run {run.pk}, 1 of the cases of customer-service:golden@1 on {made}: cancelled, 0 of 1 passed",
    )


def test_what_the_signal_missed_the_clock_finds_once() -> None:
    room, made = incident(), version()
    case("refund", incident_ref=room.ref)
    eval_runs.upload_junit(made, actor=person(), body=junit(refund="pass"), incident_ref=room.ref)
    assert {kind for kind, _ in moves.unrecorded(room.opened_at)} >= {"case", "eval_run"}
    moves.sweep()
    moves.sweep()
    assert room.timeline.filter(kind__in=["case", "eval_run"]).count() == 2


def test_what_belongs_to_no_room_is_left_alone(committing: Any) -> None:
    made = version()
    with committing():
        case("refund", incident_ref="INC-404")
        filed(made, refund="pass")
    assert MachineMove.objects.filter(kind="case").get().incident is None
    assert not MachineMove.objects.filter(kind="eval_run").exists()
    assert moves.sweep() == 0
